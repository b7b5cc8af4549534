"""Claude's conversations.json: a list of conversations with `chat_messages`, in order,
or in newer files with the id of the message each one answers."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from chat.importing.drafts import (
    UNKNOWN,
    Draft,
    DraftMessage,
    UnusableError,
    dict_of,
    list_of,
    text_of,
    time_of,
)

_ROLES = {"human": "user", "assistant": "assistant"}


def draft_of(item: dict[str, Any]) -> Draft:
    """Raises UnusableError."""
    raw = list_of(item["chat_messages"], "Its chat_messages")
    messages: list[DraftMessage] = []
    keys: set[str] = set()
    kept: dict[str, str | None] = {}  # an empty message is left out
    for number, value in enumerate(raw):
        found = dict_of(value, "A message")
        key = text_of(found.get("uuid", str(number)), "An id")
        before = messages[-1].key if messages else None
        answered = found.get("parent_message_uuid")
        # The first messages of a conversation answer one that is in no file.
        parent = before
        if answered is not None:
            parent = kept.get(text_of(answered, "An id"))
        message = _message(found, key, parent)
        if key in keys:
            raise UnusableError(_("Two of its messages have the same id."))
        keys.add(key)
        kept[key] = key if message else parent
        if message:
            messages.append(message)
    leaf = item.get("current_leaf_message_uuid")
    made = item.get("created_at")
    return Draft(
        title=text_of(item.get("name") or "", "Its name"),
        messages=messages,
        active=kept.get(leaf) if isinstance(leaf, str) else None,
        created_at=time_of(made, "Its time") if made is not None else None,
    )


def _message(
    found: dict[str, Any], key: str, parent: str | None
) -> DraftMessage | None:
    role = _ROLES.get(str(found.get("sender")))
    if role is None:
        raise UnusableError(_("A message was sent by nobody we know."))
    text = _text(found)
    if not text.strip():
        return None
    made = found.get("created_at")
    return DraftMessage(
        key=key,
        parent=parent,
        role=role,
        text=text,
        parts=[{"type": "text", "text": text}],
        created_at=time_of(made, "A message's time") if made is not None else UNKNOWN,
    )


def _text(found: dict[str, Any]) -> str:
    blocks = list_of(found.get("content") or [], "A message's content")
    said = [text for text in map(_block, blocks) if text]
    if not said and found.get("text"):
        said = [text_of(found["text"], "A message")]
    attached = list_of(found.get("attachments") or [], "A message's attachments")
    files = list_of(found.get("files") or [], "A message's files")
    return "\n\n".join([*said, *map(_attachment, attached), *map(_attachment, files)])


def _block(value: object) -> str:
    block = dict_of(value, "A part")
    if block.get("type") in ("text", "voice_note"):
        return text_of(block.get("text", ""), "A message")
    if block.get("type") == "tool_use":
        return f"*[Tool: {text_of(block.get('name', 'unknown'), 'A tool')}]*"
    return ""  # its thinking, and what tools answered


def _attachment(value: object) -> str:
    attached = dict_of(value, "An attachment")
    name = text_of(attached.get("file_name") or "file", "An attachment's name")
    content = text_of(attached.get("extracted_content") or "", "An attachment")
    return f"[Attachment: {name}]\n{content}".rstrip()
