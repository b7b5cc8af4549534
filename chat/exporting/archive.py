"""All conversations of a person as one zip, made while it is sent: one conversation at
a time in memory, no thread and no connection held while a slow client reads."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import orjson

from accounts.models import User
from chat.exporting.document import conversation_json
from chat.models import Conversation
from tenants.db import Scope, unit

FORMAT = "parley-archive"
VERSION = 1
MANIFEST = "manifest.json"


class _Pipe(io.RawIOBase):
    """The write end of the zip; what it holds is taken away piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def write(self, data: Any, /) -> int:
        self._held += memoryview(data)
        return memoryview(data).nbytes

    def take(self) -> bytes:
        taken = bytes(self._held)
        self._held.clear()
        return taken


async def archive(scope: Scope, user_id: int, now: datetime) -> AsyncIterator[bytes]:
    """The zip's bytes. It ends with its manifest; who may no longer sign in gets an
    archive that breaks off."""
    pipe = _Pipe()
    listed: list[dict[str, str]] = []
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as packed:
        for conversation_id in await unit(scope, _ids, user_id):
            found = await unit(scope, _load, user_id, conversation_id, now)
            if found is None:  # removed meanwhile
                continue
            title, document = found
            name = f"conversations/{conversation_id}.json"
            await asyncio.to_thread(packed.writestr, name, document)
            listed.append({"id": conversation_id, "title": title, "file": name})
            yield pipe.take()
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "exported_at": now,
            "conversations": listed,
        }
        packed.writestr(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    yield pipe.take()


def _ids(user_id: int) -> list[str]:
    user = User.objects.get(pk=user_id, is_active=True)
    mine = Conversation.objects.owned_by(user)
    return list(mine.newest_first().values_list("pk", flat=True))


def _load(
    user_id: int, conversation_id: str, now: datetime
) -> tuple[str, bytes] | None:
    user = User.objects.get(pk=user_id, is_active=True)
    mine = Conversation.objects.owned_by(user).select_related("owner", "agent")
    found = mine.filter(pk=conversation_id).first()
    if found is None:
        return None
    return found.title, conversation_json(found, whole=True, exported_at=now)
