"""Which messages of a conversation still fit into the model's window.

Ours and not LiteLLM's trimming, which cuts a message in its middle, may begin with an
assistant's message, and takes some 40 ms on the event loop.
"""

from collections.abc import Mapping, Sequence

Message = Mapping[str, str]


def fit(
    messages: Sequence[tuple[Message, int]], window: int, reserve: int
) -> list[Message]:
    """The messages to send, oldest first, in at most `window - reserve` tokens.

    `messages` are pairs of a message (`role`, `content`) and its tokens; `reserve` is
    kept free for the reply. System messages and the newest user message, with what
    follows it, always stay, even when they alone are too long: then the provider says
    so. Of the rest whole exchanges (a user message and its replies) go, oldest first,
    so that what is sent begins with a user message.
    """
    system = [pair for pair in messages if pair[0]["role"] == "system"]
    exchanges = _exchanges([p for p in messages if p[0]["role"] != "system"])
    left = window - reserve - _cost(system)
    kept: list[list[tuple[Message, int]]] = []
    for exchange in reversed(exchanges):
        left -= _cost(exchange)
        if kept and left < 0:
            break
        kept.append(exchange)
    pairs = [*system, *(pair for exchange in reversed(kept) for pair in exchange)]
    return [message for message, _ in pairs]


def _exchanges(
    pairs: Sequence[tuple[Message, int]],
) -> list[list[tuple[Message, int]]]:
    """Runs that begin at a user message; what precedes the first one is left out."""
    exchanges: list[list[tuple[Message, int]]] = []
    for pair in pairs:
        if pair[0]["role"] == "user":
            exchanges.append([pair])
        elif exchanges:
            exchanges[-1].append(pair)
    return exchanges


def _cost(pairs: Sequence[tuple[Message, int]]) -> int:
    return sum(tokens for _, tokens in pairs)
