"""JSON from clients, refused where PostgreSQL or Python could not keep it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from rest_framework import parsers
from rest_framework.exceptions import ParseError


class JSONParser(parsers.JSONParser):
    """DRF's, with the checks of `load_json`."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return load_json(stream.read())


def load_json(body: bytes) -> Any:
    """Strict UTF-8 JSON without NaN, infinities, NUL characters and lone
    surrogates.

    Raises DRF's ParseError (400) with a sentence that says what is wrong.
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse)
        # Only escapes (\\u0000, \\ud800) can hide these in valid UTF-8; and 1e400 is
        # read as an infinity, which JSON has no word for.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
        has_nul = b"\\u0000" in body and _has_nul(value)
    except UnicodeEncodeError as error:
        raise ParseError("The text contains half a surrogate pair.") from error
    except UnicodeDecodeError as error:
        raise ParseError("The body is not UTF-8.") from error
    except RecursionError as error:
        raise ParseError("The JSON is nested too deeply.") from error
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}") from error
    if has_nul:
        raise ParseError("The text contains a NUL character.")
    return value


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")
