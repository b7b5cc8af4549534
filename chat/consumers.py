"""The socket of a signed-in page: hears announcements, says nothing but ping."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.utils import translation

from chat.announcements import everybody_of, group_of, in_words
from chat.turns.audience import Listener
from chat.turns.background import get_background
from tenants.asgi import UNAUTHENTICATED


class NewsConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]  # untyped package
    """`tenants.asgi` has checked host, origin and person before."""

    async def connect(self) -> None:
        self.language = _language(self.scope["query_string"])
        schema = self.scope["tenant"].schema_name
        self.hearing = [
            group_of(schema, self.scope["user"].pk),
            everybody_of(schema),
        ]
        self.listener = Listener(
            self.scope["tenant"],
            self.scope["user"].pk,
            self._leave,
            session_key=self.scope["session_key"],
        )
        get_background().audience.add(self.listener)
        for group in self.hearing:
            await self.channel_layer.group_add(group, self.channel_name)
        await self.accept()

    def _leave(self) -> None:
        self.leaving = asyncio.create_task(self.close(UNAUTHENTICATED))

    async def disconnect(self, code: int) -> None:
        get_background().audience.discard(self.listener)
        for group in self.hearing:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def receive(
        self,
        text_data: str | None = None,
        bytes_data: bytes | None = None,
        **kwargs: Any,
    ) -> None:
        """Empty and binary frames are nonsense like any other, no error of ours."""
        if text_data:
            await super().receive(text_data, **kwargs)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        try:
            return json.loads(text_data)
        except (ValueError, RecursionError):
            return None

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """`{"type": "ping"}` is answered with where and who this socket is."""
        if isinstance(content, dict) and content.get("type") == "ping":
            await self.send_json(
                {
                    "type": "pong",
                    "tenant": self.scope["tenant"].slug,
                    "email": self.scope["user"].email,
                }
            )

    async def announce(self, event: dict[str, Any]) -> None:
        with translation.override(self.language):
            await self.send_json(in_words(event["content"]))


def _language(query: bytes) -> str:
    """The one a page says that it is in; of the others, programs, English."""
    said = parse_qs(query.decode("latin1")).get("language", [""])[0]
    return said if said in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
