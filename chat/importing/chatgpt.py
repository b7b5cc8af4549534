"""ChatGPT's conversations.json: a list of conversations, each a `mapping` of nodes with
parents, of which `current_node` ends the branch that was shown.

https://help.openai.com/en/articles/7260999 tells how to get one; the format itself is
documented nowhere and was learned from files.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone
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

_NOTES = {
    "image_asset_pointer": "[Image]",
    "audio_asset_pointer": "[Audio]",
    "real_time_user_audio_video_asset_pointer": "[Audio]",
    "video_container_asset_pointer": "[Video]",
}


def draft_of(item: dict[str, Any]) -> Draft:
    """Raises UnusableError."""
    mapping = dict_of(item["mapping"], "Its mapping")
    nodes = {
        text_of(key, "An id"): dict_of(node, "A node") for key, node in mapping.items()
    }
    walk = _Walk(nodes)
    messages = walk.messages()
    title = item.get("title")
    made = item.get("create_time")
    return Draft(
        title=text_of(title, "Its title") if title is not None else "",
        messages=messages,
        active=walk.kept_at(item.get("current_node")),
        archived=timezone.now() if item.get("is_archived") is True else None,
        created_at=time_of(made, "Its time") if made is not None else None,
    )


class _Walk:
    """Leaves out what was never shown (roots, system and hidden messages, tools) and
    hangs what is below it onto what is above."""

    def __init__(self, nodes: dict[str, dict[str, Any]]) -> None:
        self._nodes = nodes
        self._kept: dict[str, str | None] = {}  # node -> itself or what is kept above
        self._notes: dict[str, str] = {}  # node -> what tools did above it

    def messages(self) -> list[DraftMessage]:
        """Raises UnusableError also for nodes that no first one leads to."""
        children: dict[str | None, list[str]] = {}
        for key, node in self._nodes.items():
            parent = node.get("parent")
            if parent is not None and text_of(parent, "An id") not in self._nodes:
                raise UnusableError(_("A message answers one that is not there."))
            children.setdefault(parent, []).append(key)
        found: list[DraftMessage] = []
        waiting = children.get(None, [])[::-1]
        while waiting:
            key = waiting.pop()
            if message := self._visit(key):
                found.append(message)
            waiting += children.get(key, [])[::-1]
        if len(self._kept) != len(self._nodes):
            raise UnusableError(_("Its messages answer each other in a circle."))
        return found

    def kept_at(self, key: object) -> str | None:
        return self._kept.get(key) if isinstance(key, str) else None

    def _visit(self, key: str) -> DraftMessage | None:
        node = self._nodes[key]
        parent = node.get("parent")
        above = self._kept[parent] if parent is not None else None
        note = self._notes.get(parent, "") if parent is not None else ""
        raw = node.get("message")
        message = dict_of(raw, "A message") if raw is not None else {}
        role, text, used = _read(message)
        if role is None:
            self._kept[key] = above
            self._notes[key] = note + used
            return None
        self._kept[key] = key
        self._notes[key] = ""
        made = message.get("create_time")
        metadata = message.get("metadata")
        slug = metadata.get("model_slug") if isinstance(metadata, dict) else None
        text = f"{note}\n{text}" if note and role == "assistant" else text
        return DraftMessage(
            key=key,
            parent=above,
            role=role,
            text=text,
            parts=[{"type": "text", "text": text}],
            created_at=time_of(made, "A message's time")
            if made is not None
            else UNKNOWN,
            model=text_of(slug, "A model") if slug and role == "assistant" else "",
        )


def _read(message: dict[str, Any]) -> tuple[str | None, str, str]:
    """Role, text, and what to note of it. No role: it is not shown."""
    if not message:
        return None, "", ""
    author = dict_of(message.get("author"), "An author")
    role = author.get("role")
    metadata = message.get("metadata")
    hidden = (
        isinstance(metadata, dict)
        and metadata.get("is_visually_hidden_from_conversation") is True
    )
    if role == "tool":
        name = author.get("name")
        return None, "", f"*[Tool: {text_of(name, 'A tool') if name else 'unknown'}]*\n"
    if hidden or role not in ("user", "assistant"):
        return None, "", ""
    if message.get("recipient", "all") != "all":  # said to a tool
        return None, "", ""
    text = _content(dict_of(message.get("content"), "A message's content"))
    return (role, text, "") if text.strip() else (None, "", "")


def _content(content: dict[str, Any]) -> str:
    kind = content.get("content_type")
    if kind == "code":
        return f"```\n{text_of(content.get('text'), 'A code')}\n```"
    if kind in ("text", "multimodal_text"):
        parts = list_of(content.get("parts", []), "A message's parts")
        return "\n\n".join(text for text in map(_part, parts) if text)
    return ""  # its thinking, and what it was told about the person


def _part(part: object) -> str:
    if isinstance(part, str):
        return text_of(part, "A message")
    found = dict_of(part, "A part")
    kind, said = found.get("content_type"), found.get("text")
    if kind == "audio_transcription" and said is not None:
        return text_of(said, "A message")
    return _NOTES.get(str(kind), "[Attachment]")
