"""What texts of the bench are made of: words about as often as in a language, since an
index of words has its work by them."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Final

# Enough different words that some are in every text and some in few.
_VOCABULARY = """
the of and to in is that for it with as on be at by this from or are an was not but
we can if more when will there which one time so up out what about into only other
new some these may then first any my over such our even most also made after many
before must through where much your way well should because each just those people
how too little state good very make world still own see men work long get here
between both life being under never day same another know while last might us great
old year off come since against go came right used take three stream tenant ledger
invoice harbour lantern glacier orchard violin compass meadow anchor cedar ember
falcon granite island juniper
"""
WORDS: Final = _VOCABULARY.split()


@lru_cache
def tokens_of(count: int) -> list[str]:
    """A reply of so many tokens, each a word and a space; always the same."""
    chance = random.Random(count)
    return [f"{WORDS[int(chance.random() ** 2 * len(WORDS))]} " for _ in range(count)]
