"""The ledger: one row a turn, exact money, append-only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from agents.models import Agent
from llm.client import Endpoint
from llm.events import Usage
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import person
from usage.models import UsageRecord
from usage.services import Subject, cost_text, price_of, record_call

USAGE = Usage(
    prompt_tokens=1_000, completion_tokens=200, cached_tokens=400, reasoning_tokens=50
)


@pytest.fixture
def scoped(db: None, acme: Tenant) -> Iterator[Tenant]:
    with entered(acme.scope):
        yield acme


def record(tenant: Tenant, turn: str = "turn-00001", **fields: Any) -> UsageRecord:
    subject = Subject(
        user_id=person(tenant, "member").pk,
        agent_id=Agent.objects.get(slug="assistant").pk,
        model="openai/gpt-4o-mini",
        conversation_id="chat-00001",
        message_id="reply-0001",
        turn_id=turn,
    )
    defaults: dict[str, Any] = {
        "usage": USAGE,
        "cost": Decimal("0.0000000001"),
        "status": "done",
        "ttft_ms": 12,
        "duration_ms": 34,
    }
    return record_call(subject=subject, **defaults | fields)


def test_a_record_holds_all_that_was_counted(scoped: Tenant) -> None:
    made = record(scoped)
    kept = UsageRecord.objects.get()
    assert kept.pk == made.pk
    assert (kept.prompt_tokens, kept.completion_tokens) == (1_000, 200)
    assert (kept.cached_tokens, kept.reasoning_tokens) == (400, 50)
    assert kept.total_tokens == 1_200
    assert kept.cost == Decimal("0.0000000001"), "to the last place"
    assert (kept.currency, kept.status, kept.estimated) == ("USD", "done", False)
    assert (kept.ttft_ms, kept.duration_ms) == (12, 34)
    assert kept.turn_id == "turn-00001"


def test_a_turn_is_recorded_once(scoped: Tenant) -> None:
    record(scoped)
    with pytest.raises(IntegrityError), transaction.atomic():
        record(scoped)
    record(scoped, "turn-00002")
    assert UsageRecord.objects.count() == 2


FORBIDDEN: dict[str, Callable[[UsageRecord], object]] = {
    "save": lambda made: made.save(),
    "save one field": lambda made: made.save(update_fields=["cost"]),
    "delete": lambda made: made.delete(),
    "update many": lambda made: UsageRecord.objects.update(cost=0),
    "update some": lambda made: UsageRecord.objects.filter(pk=made.pk).update(cost=0),
    "bulk update": lambda made: UsageRecord.objects.bulk_update([made], ["cost"]),
    "delete many": lambda made: UsageRecord.objects.all().delete(),
}


@pytest.mark.parametrize("change", FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_record_is_never_changed(
    scoped: Tenant, change: Callable[[UsageRecord], object]
) -> None:
    made = record(scoped)
    made.cost = Decimal(99)
    refusal = pytest.raises(TypeError, match=r"append-only|never deleted")
    with refusal, transaction.atomic():
        change(made)
    assert UsageRecord.objects.get().cost == Decimal("0.0000000001")


def test_records_outlive_the_person_and_the_agent(scoped: Tenant) -> None:
    made = record(scoped)
    User.objects.filter(pk=made.user_id).delete()
    Agent.objects.filter(pk=made.agent_id).delete()
    kept = UsageRecord.objects.get()
    assert (kept.user_id, kept.agent_id) == (made.user_id, made.agent_id)


def test_tenants_have_ledgers_of_their_own(scoped: Tenant, globex: Tenant) -> None:
    record(scoped)
    with entered(globex.scope):
        assert not UsageRecord.objects.exists()
        record(globex)
        assert UsageRecord.objects.count() == 1
    assert UsageRecord.objects.count() == 1


# ------------------------------------------------------------------------------ money


def test_a_known_model_is_priced_exactly() -> None:
    cost = price_of(Endpoint("openai", "sk-x"), "gpt-4o-mini", USAGE)
    # 600 new at 0.15, 400 cached at 0.075, 200 written at 0.60 dollars a million.
    assert cost == Decimal("0.00024")
    assert isinstance(cost, Decimal)


def test_the_local_model_is_free_and_an_unknown_one_has_no_price() -> None:
    assert price_of(Endpoint("local", None, "http://x"), "smollm2-135m", USAGE) == 0
    unknown = Endpoint("openai_compatible", None, "http://x")
    assert price_of(unknown, "some-model", USAGE) is None


def test_what_was_never_asked_costs_nothing() -> None:
    assert price_of(None, "gpt-4o-mini", Usage(0, 0)) == Decimal(0)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, None),
        (Decimal(0), "0"),
        (Decimal("0E-10"), "0"),
        (Decimal("1E-10"), "0.0000000001"),
        (Decimal("0.0000033000"), "0.0000033"),
        (Decimal("1234567890.0000000001"), "1234567890.0000000001"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_money_as_text_is_exact_and_plain(cost: Decimal | None, text: str) -> None:
    assert cost_text(cost) == text


# ------------------------------------------------------------------------------ admin

ADMIN = "/admin/usage/usagerecord/"


def test_the_admin_shows_the_ledger_and_changes_nothing(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    with entered(acme.scope):
        made = record(acme)
    owner = client_for(acme, "owner")
    listed = owner.get(ADMIN)
    assert listed.status_code == 200
    assert "openai/gpt-4o-mini" in listed.content.decode()
    assert owner.get(f"{ADMIN}{made.pk}/change/").status_code == 200
    for path in ("add/", f"{made.pk}/delete/"):
        assert owner.get(ADMIN + path).status_code == 403
        assert owner.post(ADMIN + path, {"post": "yes"}).status_code == 403
    changed = owner.post(f"{ADMIN}{made.pk}/change/", {"cost": "0"})
    assert changed.status_code == 403
    with entered(acme.scope):
        assert UsageRecord.objects.get().cost == Decimal("0.0000000001")


def test_members_do_not_see_the_ledger(
    client_for: Callable[..., TenantClient], acme: Tenant
) -> None:
    answer = client_for(acme, "member").get(ADMIN)
    assert answer.status_code == 302
    assert "/login" in answer["Location"]
