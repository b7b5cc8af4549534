"""Querysets that are built once: the same rows as the ORM gives, for each tenant."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import models

from accounts.models import ApiKey, User
from tenants.db import entered
from tenants.models import Tenant
from tenants.prepared import Prepared, hole
from tenants.rows import insert_together
from tests.factories import make_key, person
from usage.models import UsageRecord

BY_EMAIL = Prepared(lambda: User.objects.filter(email=hole(0, str))[:1])


def _by_role(role: str) -> models.QuerySet[User, tuple[int, str]]:
    found = User.objects.filter(role=role, pk=hole(0))
    return found.values_list("pk", "role")


BY_ROLE = Prepared(_by_role)
KEY: Prepared[ApiKey] = Prepared(
    lambda: (
        ApiKey.objects.filter(user=hole(0))
        .annotate(length=models.functions.Length("name"))
        .select_related("user")[:1]
    )
)


def test_a_query_serves_all_tenants_and_values(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    for tenant in (acme, globex, acme):
        for name in ("member", "owner"):
            known = person(tenant, name)
            with entered(tenant.scope):
                found = BY_EMAIL.first(known.email)
            assert found == known
            assert found is not None
            assert found.date_joined == known.date_joined
    with entered(acme.scope):
        assert BY_EMAIL.first("nobody@example.org") is None
        assert BY_EMAIL.first("o'hara; --%s%%@example.org") is None


def test_related_objects_and_annotations_come_with_a_row(
    db: None, acme: Tenant
) -> None:
    member = person(acme, "member")
    make_key(acme, "member")
    with entered(acme.scope):
        key = KEY.first(member.pk)
        assert key is not None and key.user.email == member.email
        assert key.length == len(key.name)


def test_each_shape_is_a_query_of_its_own(db: None, acme: Tenant) -> None:
    member = person(acme, "member")
    with entered(acme.scope):
        assert BY_ROLE.rows(member.pk, shape=["member"]) == [(member.pk, "member")]
        assert BY_ROLE.rows(member.pk, shape=["owner"]) == []
        with pytest.raises(IndexError):
            BY_ROLE.rows(shape=["member"])


def record(user: User, **fields: Any) -> UsageRecord:
    numbers = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    values = {"model": "a/b", "turn_id": "x", "status": "done", **numbers, **fields}
    return UsageRecord(user=user, duration_ms=1, estimated=False, **values)


def test_rows_inserted_together_are_those_the_orm_would_make(
    db: None, acme: Tenant
) -> None:
    member = person(acme, "member")
    kinds: list[dict[str, Any]] = [
        {},
        {"input_price": Decimal("1E-10"), "cost": Decimal("1E+3"), "call": 2},
        {"model": "\U0001f600 %s \\u0000 \u2028'", "kind": UsageRecord.Kind.TRY},
    ]
    with entered(acme.scope):
        rows = [record(member, **fields) for fields in kinds]
        insert_together(*rows)
        for fields, row in zip(kinds, rows, strict=True):
            assert not row._state.adding
            twin = record(member, **fields, turn_id="y")
            twin.save()
            both = UsageRecord.objects.filter(pk__in=[row.pk, twin.pk])
            assert both.get(turn_id="x").created_at == row.created_at
            own = {"id": 0, "turn_id": "", "created_at": None}
            one, other = both.values()
            assert {**one, **own} == {**other, **own}


@pytest.mark.parametrize(
    "odd", [Decimal("NaN"), models.functions.Lower(models.Value("ABC")), object()]
)
def test_what_is_no_value_is_not_inserted_as_its_text(
    db: None, acme: Tenant, odd: Any
) -> None:
    with entered(acme.scope), pytest.raises(TypeError):
        insert_together(record(person(acme, "member"), model=odd))
