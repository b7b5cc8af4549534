"""Rates on live servers: the same count for all workers, and told to the client."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from chat.models import Turn
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.talk import CHAT, Talk
from tests.provider import Answer, Provider
from tests.servers import LiveServer
from usage.models import UsageSettings

BODY = {"message": "Hello", "stream": False}


def limit(tenant: Tenant, **limits: int) -> None:
    with entered(tenant.scope):
        UsageSettings.objects.create(pk=1, **limits)


@pytest.mark.parametrize("scope", ["user", "key", "tenant"])
def test_turns_a_minute_are_limited_and_the_client_is_told(
    talk: Talk, scope: str
) -> None:
    limit(talk.tenant, **{f"{scope}_turns_per_minute": 2})
    first = talk.client.post(CHAT, json=BODY)
    assert first.headers["RateLimit-Policy"] == f'"{scope}";q=2;w=60'
    assert first.headers["RateLimit"] == f'"{scope}";r=1;t=0'
    talk.send()
    refused = talk.client.post(CHAT, json=BODY)
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 30, "half a minute makes room for one more"
    assert refused.headers["RateLimit"] == f'"{scope}";r=0;t={wait}'
    with entered(talk.tenant.scope):
        assert Turn.objects.count() == 2


def test_a_minute_later_there_is_room_again(talk: Talk) -> None:
    limit(talk.tenant, user_turns_per_minute=1)
    assert talk.client.post(CHAT, json=BODY).status_code == 200
    assert talk.client.post(CHAT, json=BODY).status_code == 429
    with entered(talk.tenant.scope), connection.cursor() as cursor:
        cursor.execute("UPDATE usage_ratecounter SET free_at = free_at - interval '1m'")
    assert talk.client.post(CHAT, json=BODY).status_code == 200


def test_a_clock_that_goes_back_locks_nobody_out(talk: Talk) -> None:
    limit(talk.tenant, user_turns_per_minute=1)
    assert talk.client.post(CHAT, json=BODY).status_code == 200
    with entered(talk.tenant.scope), connection.cursor() as cursor:
        cursor.execute("UPDATE usage_ratecounter SET free_at = free_at + interval '1h'")
    assert talk.client.post(CHAT, json=BODY).status_code == 200
    assert talk.client.post(CHAT, json=BODY).status_code == 429, "it counts again"


def test_other_people_have_a_rate_of_their_own(
    server: LiveServer, talk: Talk, acme: Tenant, provider: Provider
) -> None:
    limit(acme, user_turns_per_minute=1)
    with Talk(server, acme, provider, "stranger") as other:
        statuses = [
            who.client.post(CHAT, json=BODY).status_code
            for who in (talk, other, talk, other)
        ]
    assert statuses == [200, 200, 429, 429]


def test_all_workers_count_together(each_talk: Talk) -> None:
    limit(each_talk.tenant, tenant_turns_per_minute=5)
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = pool.map(lambda _: each_talk.client.post(CHAT, json=BODY), range(20))
        statuses = [answer.status_code for answer in answers]
    grown = int(time.monotonic() - began) // 12  # as many more are allowed by now
    assert 5 <= statuses.count(200) <= 5 + grown
    assert statuses.count(200) + statuses.count(429) == 20


@pytest.mark.parametrize("scope", ["user", "tenant"])
def test_answers_at_once_are_limited(talk: Talk, scope: str) -> None:
    limit(talk.tenant, **{f"{scope}_streams": 1})
    talk.provider.enqueue(Answer(tokens=500, pace=50, fault="stall", fault_after=500))
    with talk.open() as stream:
        stream.until("text-delta")
        refused = talk.client.post(CHAT, json=BODY)
        assert refused.status_code == 429
        assert refused.json()["code"] == "rate_limited"
        assert refused.headers["Retry-After"] == "5"
        talk.stop(stream.conversation_id)
        stream.rest()
    assert talk.client.post(CHAT, json=BODY).status_code == 200


def test_of_many_at_once_no_more_than_allowed_are_written(talk: Talk) -> None:
    limit(talk.tenant, user_streams=2)
    talk.provider.on("some-model", Answer(tokens=20, pace=20))
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: talk.client.post(CHAT, json=BODY), range(20)))
    assert 1 <= talk.provider.max_open_streams <= 2
