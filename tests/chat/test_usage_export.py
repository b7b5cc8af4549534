"""The ledger as a download: streamed, whole and harmless."""

from __future__ import annotations

import csv
import io

import pytest
from django.db import connection

from tenants.db import entered
from tests.chat.talk import Talk
from tests.factories import person
from tests.servers import LiveServer
from usage import exporting

RECORDS = "/api/v1/usage/records"
# `-id…` begins as a formula would.
FILL = """
INSERT INTO usage_usagerecord (user_id, agent_id, kind, model, model_answered,
    conversation_id, message_id, turn_id, call, prompt_tokens, cached_tokens,
    completion_tokens, reasoning_tokens, total_tokens, cost, currency, estimated,
    status, duration_ms, note, created_at)
SELECT %s, 1, 'reply', 'a/b', '', '-id' || n, '', 't' || n, 0, n, 0, 1, 0, n + 1, 0.5,
    'USD', false, 'done', 5, '', now() - (n %% 100) * interval '1 microsecond'
FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def count(talk: Talk) -> int:
    """More than two pages, many of one moment."""
    rows = 2 * exporting._PAGE + 1
    with entered(talk.tenant.scope), connection.cursor() as cursor:
        cursor.execute(FILL, [person(talk.tenant, "member").pk, rows])
    return rows


def test_a_file_has_every_record_once(talk: Talk, count: int) -> None:
    answer = talk.client.get(f"{RECORDS}?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="usage-acme-' in answer.headers["Content-Disposition"]
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert len({line["id"] for line in lines}) == len(lines) == count
    assert sum(int(line["total_tokens"]) for line in lines) == (
        count * (count + 1) // 2 + count
    )
    moments = [line["created_at"] for line in lines]
    assert moments == sorted(moments)
    assert {line["conversation_id"][:4] for line in lines} == {"'-id"}
    whole = talk.client.get(f"{RECORDS}?format=json").json()
    assert [record["id"] for record in whole] == [line["id"] for line in lines]
    assert whole[0]["cost"] == "0.5"


def test_an_empty_period_is_a_file_too(talk: Talk) -> None:
    query = "from=2020-01-01&to=2020-01-31&format"
    assert talk.client.get(f"{RECORDS}?{query}=json").json() == []
    assert talk.client.get(f"{RECORDS}?{query}=csv").text.count("\n") == 1


def test_a_file_holds_what_one_may_see(
    server: LiveServer, talk: Talk, count: int
) -> None:
    with server.client(talk.tenant, "stranger") as stranger:
        assert stranger.get(f"{RECORDS}?format=json").json() == []
        assert stranger.get(f"{RECORDS}?format=xml").status_code == 400
