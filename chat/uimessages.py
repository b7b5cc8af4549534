"""Stored messages as the UIMessages an AI SDK client keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accounts.models import User
from chat.models import Message
from chat.parts import Part
from usage.pricing import cost_text

_RUNNING = {Message.Status.PENDING, Message.Status.STREAMING}


def ui_messages(branch: Iterable[Message]) -> list[dict[str, Any]]:
    """Oldest first. A reply still being written is left out: its client follows the
    stream, which brings it whole and under the same id."""
    return [
        _ui_message(message) for message in branch if message.status not in _RUNNING
    ]


def _metadata_of(author: User | None) -> dict[str, Any]:
    if author is None:
        return {}
    named = {"id": author.pk, "name": author.get_full_name()}
    return {"metadata": {"author": named}}


def _with_metadata(part: Part) -> Part:
    """How long a call took stands where the SDK has a place for what is not its own."""
    timed = {"parley": {"durationMs": part["durationMs"]}}
    rest = {name: value for name, value in part.items() if name != "durationMs"}
    return {**rest, "callProviderMetadata": timed}


def _ui_message(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": message.pk, "role": message.role}
    if message.role == Message.Role.USER:
        return {**shown, "parts": message.parts, **_metadata_of(message.author)}
    parts: list[dict[str, Any]] = [{"type": "step-start"}]
    for part in message.parts:
        if part["type"] == "reasoning":
            parts.append({**part, "id": "reasoning-1", "state": "done"})
        elif part["type"] == "text":
            parts.append({**part, "state": "done"})
        elif "durationMs" in part:
            parts.append(_with_metadata(part))
        else:
            parts.append(part)
    usage = {
        "inputTokens": message.prompt_tokens,
        "outputTokens": message.completion_tokens,
        "totalTokens": message.total_tokens,
    }
    metadata = {
        "usage": usage,
        "cost": cost_text(message.cost),
        "estimated": message.estimated,
        "model": message.model,
        "status": message.status,
    }
    return {**shown, "parts": parts, "metadata": metadata}
