"""The body of POST /api/v1/chat: the AI SDK's form or the plain one → `Send`.
What the page sends is read here too.

Clients add keys of their own; what is not named here is ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from chat.errors import InvalidMessageError
from chat.ids import VALID
from chat.models import WISH_LENGTH
from chat.turns.plan import Send


@dataclass(frozen=True, slots=True)
class Posted:
    """`stream` False asks for one JSON answer at the end."""

    send: Send
    stream: bool


def read_body(body: Any, idempotency_key: str | None = None) -> Posted:
    """Raises InvalidMessageError naming the field that is wrong.

    `idempotency_key` is the header's value, 1 to 200 printable ASCII characters.
    """
    key = idempotency_key
    if key is not None and not (0 < len(key) <= 200 and key.isprintable()):
        raise InvalidMessageError("Idempotency-Key must have 1 to 200 characters.")
    if not isinstance(body, dict):
        raise InvalidMessageError("The body must be a JSON object.")
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise InvalidMessageError("stream must be true or false.")
    send = _send(body)
    if "\x00" in send.text:  # from the page; the API's parser has refused it
        raise InvalidMessageError(
            "The message contains a NUL character, which cannot be kept."
        )
    send = replace(send, idempotency_key=key)
    return Posted(send=send, stream=stream is not False)


def _send(body: dict[str, Any]) -> Send:
    if body.get("trigger") == "continue-message":
        return _continuing(body)
    if "messages" not in body and "approvals" in body:
        return _approving(body)
    if "messages" not in body and "message" in body:
        return _plain(body)
    return _from_ai_sdk(body)


def _continuing(body: dict[str, Any]) -> Send:
    """Either form: nothing is said, and so `messages` tell nothing."""
    target = _text(body, "messageId")
    if target is None:
        raise InvalidMessageError("messageId must name the reply to continue.")
    return Send(
        trigger="continue",
        conversation_id=_text(body, "id") or _text(body, "conversationId"),
        target_id=target,
        agent=_reference(body),
        model=_text(body, "model"),
    )


def _approving(body: dict[str, Any]) -> Send:
    """`{"conversationId", "approvals": [{"id", "approved"}]}`."""
    given = body["approvals"]
    if not isinstance(given, list):
        raise InvalidMessageError("approvals must be a list.")
    return Send(
        trigger="approve",
        conversation_id=_text(body, "conversationId"),
        approvals=_approvals(given),
    )


def _approvals(given: list[Any]) -> tuple[tuple[str, bool], ...]:
    """Of objects with an `id` and whether that call is `approved`."""
    found: list[tuple[str, bool]] = []
    for answer in given:
        match answer:
            case {"id": str(approval_id), "approved": bool(approved)}:
                found.append((approval_id, approved))
            case _:
                raise InvalidMessageError("An approval has an id, and approved.")
    if not 0 < len(found) <= 64:
        raise InvalidMessageError("Send 1 to 64 approvals.")
    return tuple(found)


def _answered(message: Any) -> list[Any]:
    """What a person has decided, from the parts of the assistant's message that the AI
    SDK sends; nothing else of it counts."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return []
    parts = message.get("parts")
    return [
        part.get("approval")
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, dict) and part.get("state") == "approval-responded"
    ]


def _plain(body: dict[str, Any]) -> Send:
    message = body["message"]
    if not isinstance(message, str):
        raise InvalidMessageError("message must be a text.")
    return Send(
        text=message,
        conversation_id=_text(body, "conversationId"),
        parent_id=_text(body, "parentId"),
        agent=_reference(body),
        model=_text(body, "model"),
    )


def _from_ai_sdk(body: dict[str, Any]) -> Send:
    """Of `messages` only the last one counts, and only if a user wrote it; the rest
    is the server's own record and is not trusted."""
    trigger = _trigger(body)
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise InvalidMessageError("Send message or messages.")
    target = _text(body, "messageId")
    last = messages[-1] if messages else None
    common: dict[str, Any] = {
        "conversation_id": _text(body, "id"),
        "target_id": target,
        "parent_id": _text(body, "parentId"),
        "agent": _reference(body),
        "model": _text(body, "model"),
    }
    if trigger == "regenerate":
        common["wish"] = _wish(body)
        return replace(_question(last), trigger="regenerate", **common)
    if answered := _answered(last):
        answers = _approvals(answered)
        return Send(trigger="approve", approvals=answers, **common)
    if not isinstance(last, dict) or last.get("role") != "user":
        raise InvalidMessageError("The last of messages must be the user's.")
    # An edit names the old message and sends it again under its old id; the edited
    # text becomes a message of its own.
    own_id = None if target else _text(last, "id")
    return Send(text=_message_text(last), message_id=own_id, **common)


def _question(last: Any) -> Send:
    """The question to answer again as the client holds it, which is a send of its own
    if the first try never reached us. Whatever else stands there is of no interest."""
    if not isinstance(last, dict) or last.get("role") != "user":
        return Send()
    try:
        text, own_id = _message_text(last), _text(last, "id")
    except InvalidMessageError:
        return Send()
    if own_id is None or not VALID.match(own_id):
        return Send()
    return Send(text=text, message_id=own_id)


def _wish(body: dict[str, Any]) -> str:
    wish = (_text(body, "wish") or "").strip()
    if len(wish) > WISH_LENGTH:
        raise InvalidMessageError(f"wish may have {WISH_LENGTH} characters.")
    return wish


def _trigger(body: dict[str, Any]) -> Literal["submit", "regenerate"]:
    trigger = body.get("trigger")
    if trigger is None or trigger == "submit-message":
        return "submit"
    if trigger == "regenerate-message":
        return "regenerate"
    raise InvalidMessageError(
        "trigger must be submit-message, regenerate-message or continue-message."
    )


def _message_text(message: dict[str, Any]) -> str:
    parts = message.get("parts")
    if not isinstance(parts, list):
        raise InvalidMessageError("A message needs a list of parts.")
    texts: list[str] = []
    for part in parts:
        if not isinstance(part, dict):
            raise InvalidMessageError("Each part of a message must be an object.")
        if part.get("type") != "text":
            raise InvalidMessageError("Only text parts can be sent.")
        text = part.get("text")
        if not isinstance(text, str):
            raise InvalidMessageError("The text of a part must be a text.")
        texts.append(text)
    return "\n".join(texts)


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise InvalidMessageError(f"{name} must be a text.")


def _reference(body: dict[str, Any]) -> str | None:
    """`agentId`: an id, which JSON may carry as a number, or a slug."""
    value = body.get("agentId")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return _text(body, "agentId")
