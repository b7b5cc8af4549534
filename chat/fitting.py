"""What of a prompt fits its model's window: whole exchanges, and the beginnings of what
tools said.

Tools are limited in bytes, whatever model asks them: one answer can be longer than all
that a small model reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from agents.tools.running import LEFT_OUT
from llm import catalogue, tokens
from llm.client import Prompt
from llm.prompt import Message, fit, opens, text_of

# For models nobody knows: every current one reads at least this much.
_UNKNOWN_WINDOW: Final = 8192
# What a tool said before the newest question: of the room there is.
_OLD_SHARE: Final = 16
# Tokens that are left of an answer even where there is no room.
_LEAST: Final = 32

Counted = tuple[Message, int]


def window_of(provider: str, model: str) -> int:
    """Tokens it reads and writes in one call."""
    return catalogue.context_window(provider, model) or _UNKNOWN_WINDOW


def fitted(
    messages: Sequence[Message], model: str, window: int, reserve: int
) -> list[Message]:
    """What is sent of them, oldest first. Counted exactly only where the cheap
    estimate, which may be 42 % low, leaves a doubt: most conversations are far from
    any window's end."""
    room = window - reserve
    if _guess(messages) * 2 < room:
        return list(messages)
    counted = _shortened(_counted(messages, model, room), room, model)
    return fit(counted, window, reserve)


def is_crowded(prompt: Prompt) -> bool:
    """Whether its messages might not fit beside the tools it offers, guessed."""
    tools = tokens.estimate(json.dumps([*prompt.tools])) if prompt.tools else 0
    room = _window(prompt) - _reply(prompt)
    return (_guess(prompt.messages) + tools) * 2 >= room


def refitted(prompt: Prompt) -> Prompt:
    """The same call with the tools it has by now and with what they said. Counts
    tokens: from async code call it in a thread."""
    window = _window(prompt)
    reserve = _reply(prompt) + tokens.count_tools(prompt.tools, prompt.model)
    messages = fitted(prompt.messages, prompt.model, window, reserve)
    return replace(prompt, messages=messages)


def _window(prompt: Prompt) -> int:
    return window_of(prompt.endpoint.provider, prompt.model)


def _reply(prompt: Prompt) -> int:
    limit = prompt.parameters.get("max_tokens")
    return limit if isinstance(limit, int) else 0


def _guess(messages: Sequence[Message]) -> int:
    """At least half of what they have."""
    return sum(_guess_of(message) + 8 for message in messages)


def _guess_of(message: Message) -> int:
    text = text_of(message)
    if message["role"] == "tool":  # any data: a token may have no more than one byte
        return len(text.encode()) // 2
    return tokens.estimate(text)


def _counted(messages: Sequence[Message], model: str, room: int) -> list[Counted]:
    """Messages with their tokens, oldest first: no more of the old ones than it takes
    to be past `room`, since a long conversation has thousands of them. What tools said
    before the newest question is shortened on the way."""
    found: list[Counted] = []
    asked = False
    left = room
    for message in reversed(messages):
        if left < 0 and asked and message["role"] != "system":
            continue
        if asked and message["role"] == "tool":
            message = _short(message, room // _OLD_SHARE, model)
        found.append((message, tokens.count_messages([message], model)))
        left -= found[-1][1]
        asked = asked or opens(message)
    return found[::-1]


def _shortened(counted: list[Counted], room: int, model: str) -> list[Counted]:
    """What tools said to the newest question, so that the question fits with it."""
    newest = max((n for n, (m, _) in enumerate(counted) if opens(m)), default=0)
    sizes: list[int] = []
    for place, (message, size) in enumerate(counted):
        if place > newest and message["role"] == "tool":
            sizes.append(size)
        elif place >= newest or message["role"] == "system":
            room -= size
    if sum(sizes) <= room:
        return counted
    most = _level(sizes, room)
    short: list[Counted] = []
    for place, (message, size) in enumerate(counted):
        if place > newest and message["role"] == "tool" and size > most:
            message = _short(message, most, model)
            size = tokens.count_messages([message], model)
        short.append((message, size))
    return short


def _level(sizes: list[int], room: int) -> int:
    """To which size the longest have to shrink for all of them to fit."""
    for place, size in enumerate(sorted(sizes)):
        share = room // (len(sizes) - place)
        if size > share:
            return share
        room -= size
    return max(sizes, default=0)


def _short(message: Message, most: int, model: str) -> Message:
    """In at most so many tokens, and saying so; few are left in any case."""
    content = str(message["content"])
    kept = tokens.beginning(content, max(_LEAST, most), model)
    if kept == content:
        return message
    # The mark and what stands around a message have a part of it.
    own = tokens.count_messages([{**message, "content": LEFT_OUT}], model)
    kept = tokens.beginning(kept, max(_LEAST, most - own), model)
    return {**message, "content": kept + LEFT_OUT}
