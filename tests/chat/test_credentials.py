"""Keys that change while turns run: rotation breaks none, revoking ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx

from agents.models import Credential
from agents.models import Provider as ProviderRow
from agents.services import delete_provider, revoke_credential, set_provider_key
from chat.models import Turn
from tenants.db import entered
from tests.chat.parts import read_part, text_of
from tests.chat.talk import CHAT, Talk
from tests.factories import PROVIDER_KEY, STAND_IN, make_provider
from tests.provider import Answer

STREAMS, TOKENS = 20, 40
NEW_KEY = "sk-the-next-version-0002"


def keys_used(talk: Talk) -> list[str]:
    return [r.headers["authorization"] for r in talk.provider.requests]


def draining(talk: Talk) -> dict[int, int]:
    """Running turns by version of the key."""
    with entered(talk.tenant.scope):
        versions = dict(Credential.objects.values_list("pk", "version"))
        counts = Turn.objects.count_by_credential()
        return {versions[pk]: count for pk, count in counts.items()}


async def twenty_streams(talk: Talk, meanwhile: Callable[[], None]) -> list[str]:
    """The texts of streams in the middle of which something happened."""
    started = asyncio.Semaphore(0)

    async def read(client: httpx.AsyncClient) -> str:
        parts = []
        async with client.stream("POST", CHAT, json={"message": "Hello"}) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    parts.append(read_part(line.removeprefix("data: ")))
                    if parts[-1]["type"] == "text-start":
                        started.release()
        assert parts[-1]["type"] == "finish", parts[-1]
        return text_of(parts)

    async with httpx.AsyncClient(
        base_url=talk.server.url,
        headers=talk.client.headers,
        trust_env=False,
        timeout=60,
        limits=httpx.Limits(max_connections=None),
    ) as client:
        reading = [asyncio.create_task(read(client)) for _ in range(STREAMS)]
        for _ in range(STREAMS):
            await started.acquire()
        await asyncio.to_thread(meanwhile)
        return await asyncio.gather(*reading)


def test_a_rotation_breaks_none_of_twenty_running_streams(talk: Talk) -> None:
    talk.provider.on("some-model", Answer(tokens=TOKENS, held_after=2))
    seen: dict[int, int] = {}

    def rotate() -> None:
        with entered(talk.tenant.scope):
            provider = ProviderRow.objects.get(name=STAND_IN)
            set_provider_key(provider=provider, api_key=NEW_KEY)
        seen.update(draining(talk))
        talk.provider.let_go()
        talk.send("With the new key")

    texts = asyncio.run(twenty_streams(talk, rotate))
    assert set(texts) == {"".join(f"w{i} " for i in range(TOKENS))}
    assert seen == {1: STREAMS}
    assert draining(talk) == {}
    used = keys_used(talk)
    assert used.count(f"Bearer {PROVIDER_KEY}") == STREAMS
    assert used[STREAMS:] == [f"Bearer {NEW_KEY}"]


def test_revoking_ends_the_turns_that_run_on_that_version_alone(talk: Talk) -> None:
    talk.provider.enqueue(*[Answer(tokens=400, pace=20)] * 2)
    with talk.open("On the first key") as old:
        old.until("text-delta")
        with entered(talk.tenant.scope):
            provider = ProviderRow.objects.get(name=STAND_IN)
            first = provider.credentials.get()
            set_provider_key(provider=provider, api_key=NEW_KEY)
        with talk.open("On the second") as new:
            new.until("text-delta")
            with entered(talk.tenant.scope):
                revoke_credential(credential=first)
            old.rest()
            assert "revoked the key" in old.parts[-1]["errorText"]
            reply = talk.wait_ended(old.conversation_id)
            assert reply["error_code"] == "provider_key_revoked"
            assert old.text and reply["text"].startswith(old.text)
            assert reply["estimated"] and reply["completion_tokens"] > 0
            talk.provider.wait_closed()
            new.until("text-delta", 3)
            talk.stop(new.conversation_id)
            new.rest()
    with entered(talk.tenant.scope):
        first.refresh_from_db()
        assert first.ciphertext == "", "nobody can decrypt what is not there"
    assert draining(talk) == {}


def test_a_deleted_provider_ends_the_turns_that_run_on_its_key(talk: Talk) -> None:
    second = make_provider(
        talk.tenant, base_url=talk.provider.url, name="second", models=("other",)
    )
    talk.provider.enqueue(Answer(tokens=400, pace=20))
    with talk.open("Slowly", model="second/other") as going:
        going.until("text-delta")
        with entered(talk.tenant.scope):
            delete_provider(provider=second)
        going.rest()
    assert "revoked the key" in going.parts[-1]["errorText"]
    reply = talk.wait_ended(going.conversation_id)
    assert reply["error_code"] == "provider_key_revoked"
    talk.provider.wait_closed()
