"""Token counts as providers send them: taken only when they can be counts at all."""

from collections.abc import Callable
from functools import wraps
from typing import Final, ParamSpec

from llm.events import Usage

P = ParamSpec("P")

# They are stored and added up as 32-bit integers.
_MOST: Final = 2**31 - 1


def count(given: object) -> int:
    """`given`, or 0 for None; raises ValueError for what is no count."""
    if given is None:
        return 0
    # bool is an int to Python and never a count.
    if type(given) is not int or not 0 <= given <= _MOST:
        raise ValueError("no count of tokens")
    return given


def checked(read: Callable[P, Usage]) -> Callable[P, Usage | None]:
    """A reader of usage that says None, so that we count, when it finds nonsense."""

    @wraps(read)
    def reader(*args: P.args, **kwargs: P.kwargs) -> Usage | None:
        try:
            usage = read(*args, **kwargs)
            for total in (usage.total_tokens, usage.cached_tokens):
                count(total)
        except (AttributeError, TypeError, ValueError):
            return None
        return usage

    return reader
