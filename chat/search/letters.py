"""Letters as search compares them."""

from __future__ import annotations

import re
import unicodedata

# Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han and
# Hangul. As the migrations "search" and "search_pending" have it for PostgreSQL.
DENSE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)
DENSE_RUN = re.compile(f"[{DENSE}]+")


class _Folding(dict[int, str]):
    """One character for one: lower case and without its accent, so that places in the
    folded text are places in the text."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFKD", chr(code))[:1].lower()
        self[code] = folded = plain if len(plain) == 1 else chr(code)
        return folded


_folding = _Folding()


def fold(text: str) -> str:
    """For comparing; as long as `text`."""
    return text.lower() if text.isascii() else text.translate(_folding)
