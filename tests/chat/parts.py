"""The AI SDK's UI message stream as strictly as its strictest clients read it.

`check_part` is `uiMessageChunkSchema` of the npm package `ai` (7.x) with the extra keys
that its 5.x and early 6.x refuse; `check_order` is what we promise beyond it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]
Part = dict[str, Any]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _anything(_: Any) -> bool:
    return True


def _reason(value: Any) -> bool:
    return value in {
        "stop",
        "length",
        "content-filter",
        "tool-calls",
        "error",
        "interrupted",
        "other",
    }


def _provider_metadata(value: Any) -> bool:
    return _object(value) and all(map(_object, value.values()))


_PM: Mapping[str, Check] = {"providerMetadata?": _provider_metadata}
_TOOL: Mapping[str, Check] = {
    **_PM,
    "toolCallId": _text,
    "dynamic?": _flag,
    "providerExecuted?": _flag,
    "toolMetadata?": _object,
}
_CALL: Mapping[str, Check] = {**_TOOL, "toolName": _text, "title?": _text}
_SHAPES: Mapping[str, Mapping[str, Check]] = {
    "start": {"messageId?": _text, "messageMetadata?": _anything},
    "start-step": {},
    "finish-step": {},
    "text-start": {"id": _text, **_PM},
    "text-delta": {"id": _text, "delta": _text, **_PM},
    "text-end": {"id": _text, "citations?": _list, **_PM},
    "reasoning-start": {"id": _text, **_PM},
    "reasoning-delta": {"id": _text, "delta": _text, **_PM},
    "reasoning-end": {"id": _text, **_PM},
    "tool-input-start": _CALL,
    "tool-input-delta": {"toolCallId": _text, "inputTextDelta": _text},
    "tool-input-available": {**_CALL, "input": _anything},
    "tool-output-available": {**_TOOL, "output": _anything, "preliminary?": _flag},
    "tool-output-error": {**_TOOL, "errorText": _text},
    "tool-output-denied": {"toolCallId": _text},
    "tool-approval-request": {"approvalId": _text, "toolCallId": _text},
    "message-metadata": {"messageMetadata": _anything},
    "error": {"errorText": _text},
    "abort": {"reason?": _text},
    "finish": {"finishReason?": _reason, "messageMetadata?": _anything},
}
_DATA: Mapping[str, Check] = {"data": _anything, "id?": _text, "transient?": _flag}
ENDINGS = {"finish", "abort", "error"}


def read_part(line: str) -> Part:
    """One `data:` payload; fails on whatever a strict client would refuse."""
    part: Part = json.loads(line)
    check_part(part)
    return part


def check_part(part: Any) -> None:
    assert isinstance(part, dict), f"not an object: {part!r}"
    kind = part.get("type", "")
    shape = _DATA if kind.startswith("data-") else _SHAPES.get(kind)
    assert shape is not None, f"unknown type: {part}"
    known = {name.rstrip("?"): check for name, check in shape.items()}
    required = {name for name in shape if not name.endswith("?")}
    keys = part.keys() - {"type"}
    assert keys <= known.keys(), f"extra keys {keys - known.keys()}: {part}"
    assert required <= keys, f"missing keys {required - keys}: {part}"
    for name in keys:
        assert known[name](part[name]), f"wrong {name}: {part}"


def check_order(parts: list[Part]) -> None:
    """start, start-step, blocks that open and close, finish-step, one ending."""
    kinds = [part["type"] for part in parts]
    assert kinds[0] == "start", kinds
    assert kinds.count("start") == 1, kinds
    assert kinds[-1] in ENDINGS, kinds
    assert sum(kind in ENDINGS for kind in kinds) == 1, kinds
    in_step = False
    opened: set[tuple[str, str]] = set()
    for part in parts[1:]:
        kind = part["type"]
        block, _, verb = kind.partition("-")
        if kind in {"start-step", "finish-step"}:
            assert in_step == (kind == "finish-step"), kinds
            assert not opened, f"{kind} inside {opened}"
            in_step = kind == "start-step"
        elif block in {"text", "reasoning"}:
            assert in_step, f"{kind} outside a step"
            key = (block, part["id"])
            assert (key not in opened) == (verb == "start"), f"{kind} with {opened}"
            if verb == "start":
                opened.add(key)
            elif verb == "end":
                opened.remove(key)
        elif kind.startswith("tool-"):
            assert in_step, f"{kind} outside a step"
            assert not opened, f"{kind} inside {opened}"
        elif kind in ENDINGS:
            assert not opened, f"{kind} leaves {opened} open"
            assert kind != "finish" or not in_step, "finish without finish-step"


def text_of(parts: list[Part]) -> str:
    return "".join(part["delta"] for part in parts if part["type"] == "text-delta")
