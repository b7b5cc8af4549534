"""Export files as ChatGPT and Claude make them, with what real ones have in them."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any


def _node(
    key: str, parent: str | None, role: str, parts: list[Any], **more: Any
) -> tuple[str, dict[str, Any]]:
    kind = "text" if all(isinstance(p, str) for p in parts) else "multimodal_text"
    message = {
        "id": key,
        "author": {"role": role, "name": more.pop("name", None), "metadata": {}},
        "create_time": more.pop("at", None),
        "update_time": None,
        "content": {"content_type": kind, "parts": parts},
        "status": "finished_successfully",
        "end_turn": True,
        "weight": 1.0,
        "metadata": more.pop("metadata", {}),
        "recipient": "all",
        "channel": None,
    } | more
    return key, {"id": key, "message": message, "parent": parent, "children": []}


def chatgpt() -> dict[str, Any]:
    """A root, a hidden system message, a question, a tool call with its result, the
    reply, and an earlier version of the question with a picture."""

    hidden = {"is_visually_hidden_from_conversation": True}
    picture = {
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://x",
    }
    code = {"content_type": "code", "language": "python", "text": "print(6 * 7)"}
    mapping = dict(
        [
            ("root", {"id": "root", "message": None, "parent": None, "children": []}),
            _node("sys", "root", "system", [""], metadata=hidden),
            _node("q1", "sys", "user", [picture, "What is this?"], at=1736209400.5),
            _node("a1", "q1", "assistant", ["A picture."], at=1736209405.0),
            _node("q2", "sys", "user", ["What is 6 times 7?"], at=1736209500.0),
            _node("call", "q2", "assistant", [], recipient="python", content=code),
            _node("tool", "call", "tool", ["42"], name="python"),
            _node(
                "think", "tool", "assistant", [], content={"content_type": "thoughts"}
            ),
            _node(
                "a2",
                "think",
                "assistant",
                ["It is **42**."],
                at=1736209512.25,
                metadata={"model_slug": "gpt-4o"},
            ),
        ]
    )
    return {
        "title": "Sums and pictures",
        "create_time": 1736209400.0,
        "update_time": 1736209512.3,
        "mapping": mapping,
        "moderation_results": [],
        "current_node": "a2",
        "conversation_id": "8f3a2b1c-0000-4000-8000-000000000000",
        "is_archived": False,
        "default_model_slug": "gpt-4o",
    }


def claude() -> dict[str, Any]:
    """Two versions of a reply, an attachment, thinking, a tool, an empty message."""

    def message(
        key: str, parent: str, sender: str, content: list[Any], **more: Any
    ) -> dict[str, Any]:
        return {
            "uuid": key,
            "text": "",
            "content": content,
            "sender": sender,
            "created_at": f"2025-03-0{more.pop('day', 1)}T10:00:00.123456Z",
            "attachments": [],
            "files": [],
            "parent_message_uuid": parent,
        } | more

    def text(said: str) -> dict[str, Any]:
        return {"type": "text", "text": said, "citations": []}

    attached = {
        "file_name": "notes.txt",
        "file_size": 12,
        "file_type": "txt",
        "extracted_content": "Buy milk.",
    }
    return {
        "uuid": "0a0a0a0a-0000-4000-8000-000000000000",
        "name": "A shopping list",
        "created_at": "2025-03-01T10:00:00.000000Z",
        "updated_at": "2025-03-03T10:00:00.000000Z",
        "account": {"uuid": "x"},
        "chat_messages": [
            message(
                "m1",
                "00000000-0000-4000-8000-000000000000",
                "human",
                [text("What is on it?")],
                attachments=[attached],
            ),
            message("m2", "m1", "assistant", [text("Milk.")], day=1),
            message("m3", "m2", "human", [], day=2),
            message(
                "m4",
                "m1",
                "assistant",
                [
                    {"type": "thinking", "thinking": "Hm."},
                    {"type": "tool_use", "name": "artifacts", "input": {}},
                    {"type": "tool_result", "name": "artifacts", "content": []},
                    text("Only milk."),
                ],
                day=3,
            ),
        ],
    }


def as_zip(files: dict[str, Any], **options: Any) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else json.dumps(content)
            archive.writestr(name, raw, **options)
    return packed.getvalue()
