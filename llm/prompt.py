"""Messages of a prompt: those about tools, and which still fit the model's window.

The fitting is ours and not LiteLLM's trimming, which cuts a message in its middle, may
begin with an assistant's message, and takes some 40 ms on the event loop.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llm.events import ToolCalled

# OpenAI's shape: `role` and `content`; an assistant's `tool_calls`; a tool's
# `tool_call_id`.
Message = Mapping[str, Any]

# Said after a partial reply that is to be continued; stored nowhere.
CONTINUE: Final = (
    "Your last message was cut off. Continue it exactly where it stopped, beginning"
    " with the very next character. Repeat nothing and add no introduction."
)
# Said after a reply that a person wants to be otherwise; stored nowhere but the wish.
WISHED: Final = "Answer my last question again. What I want to be different: {}"
# They want their thinking back while tools are called, and refuse the call without it.
_THINKING_GOES_BACK: Final = frozenset({"deepseek", "moonshot"})
# They refuse the ids of calls that another provider has made.
_SHORT_IDS: Final = frozenset({"codestral", "mistral"})
_SHORT_ID: Final = re.compile(r"[A-Za-z0-9]{9}")


def asked_tools(
    text: str,
    calls: Sequence[ToolCalled],
    *,
    provider: str = "",
    reasoning: str = "",
    echo: Mapping[str, Any] | None = None,
) -> Message:
    """The assistant's message that calls tools.

    Only within the turn in which they are called: `provider`, its `reasoning` and what
    it wants to see again (`llm.events.Finished.echo`).
    """
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    message["tool_calls"] = [_call(call) for call in calls]
    if reasoning and provider in _THINKING_GOES_BACK:
        message["reasoning_content"] = reasoning
    return {**message, **(echo or {})}


def tool_result(call_id: str, output: str) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": output}


def text_of(message: Message) -> str:
    """All that is text in it, for counting; thinking that goes back too."""
    texts = [message.get("content") or "", message.get("reasoning_content") or ""]
    for block in message.get("thinking_blocks") or ():
        texts.append(block.get("thinking") or block.get("data") or "")
    for call in message.get("tool_calls") or ():
        texts += (call["function"]["name"], call["function"]["arguments"])
    return "".join(texts)


def text_of_calls(calls: Sequence[ToolCalled]) -> str:
    """What the model wrote to make them, for counting."""
    return "".join(call.name + call.arguments for call in calls)


def ids_of_calls(messages: Sequence[Message]) -> set[str]:
    return {c["id"] for message in messages for c in message.get("tool_calls") or ()}


def with_ids_for(provider: str, messages: Sequence[Message]) -> Sequence[Message]:
    """The same with ids of calls as this provider takes them."""
    if provider not in _SHORT_IDS:
        return messages
    told: list[Message] = []
    for message in messages:
        if calls := message.get("tool_calls"):
            short = [{**call, "id": _short_id(call["id"])} for call in calls]
            message = {**message, "tool_calls": short}
        elif message["role"] == "tool":
            message = {**message, "tool_call_id": _short_id(message["tool_call_id"])}
        told.append(message)
    return told


def _short_id(call_id: str) -> str:
    """Always the same for the same one."""
    if _SHORT_ID.fullmatch(call_id):
        return call_id
    return hashlib.blake2b(call_id.encode(), digest_size=5).hexdigest()[:9]


def without_calls(messages: Sequence[Message]) -> Sequence[Message]:
    """The same with what tools were asked and answered as text of the assistant's.

    For a model that is offered no tools: Anthropic refuses a history with calls then,
    and local models know no such messages.
    """
    if not any("tool_calls" in message for message in messages):
        return messages
    told: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in messages:
        if message["role"] == "tool":
            name = names.get(message["tool_call_id"], "")
            told[-1]["content"] += f"\n(The tool {name} answered: {message['content']})"
        elif calls := message.get("tool_calls"):
            lines = [message.get("content") or ""]
            for call in calls:
                function = call["function"]
                names[call["id"]] = function["name"]
                asked = f"(The tool {function['name']} was called with "
                lines.append(f"{asked}{function['arguments']})")
            told.append({"role": "assistant", "content": "\n".join(lines).lstrip()})
        else:
            told.append(dict(message))
    if told[-1]["role"] == "assistant":  # whose tools have just answered
        told.append({"role": "user", "content": "Go on."})
    return told


def _call(call: ToolCalled) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.signature:
        made["provider_specific_fields"] = {"thought_signature": call.signature}
    return made


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


def opens(message: Message) -> bool:
    """Whether an exchange begins with it: what asks for the rest of a reply belongs to
    the question before."""
    return bool(message["role"] == "user" and message["content"] != CONTINUE)


def _exchanges(
    pairs: Sequence[tuple[Message, int]],
) -> list[list[tuple[Message, int]]]:
    """Runs that begin at a user message; what precedes the first one is left out."""
    exchanges: list[list[tuple[Message, int]]] = []
    for pair in pairs:
        if opens(pair[0]):
            exchanges.append([pair])
        elif exchanges:
            exchanges[-1].append(pair)
    return exchanges


def _cost(pairs: Sequence[tuple[Message, int]]) -> int:
    return sum(tokens for _, tokens in pairs)
