"""Warnings at 80 and 100 %: once each, on the page's socket and by mail."""

from __future__ import annotations

import json

import pytest
from asgiref.sync import async_to_sync
from django.core import mail
from django.db import ProgrammingError

from tenants.db import entered, scope
from tenants.models import Tenant
from tests.chat.talk import Talk
from tests.chat.test_budgets import budget, post, refused, reported
from tests.factories import email_of
from tests.servers import host_of, session_cookie
from tests.tenants.test_sockets import ask, opened
from usage import mailing
from usage.mailing import claim_mails, send
from usage.models import UsageSettings


@pytest.mark.parametrize(
    ("about", "reader", "whose"),
    [("user", "member", "Your"), ("tenant", "owner", "This workspace's")],
)
def test_whom_it_concerns_is_warned_once_at_80_and_once_at_100(
    talk: Talk, about: str, reader: str, whose: str
) -> None:
    budget(talk, about, limit_tokens=1_000)
    cookie = session_cookie(talk.tenant, reader)
    heard: list[str] = []
    with opened(talk.server, host_of(talk.tenant), cookie) as socket:
        ask(socket)
        for total in (700, 120, 50, 120):  # 70, 82, 87 and 99 %, too little for more
            talk.provider.enqueue(reported(total))
            assert not refused(post(talk))
        assert refused(post(talk))
        while "is used up" not in heard[-1:]:
            said = json.loads(socket.recv(timeout=20))
            if said["type"] == "budget-used":
                assert (said["scope"], said["period"]) == (about, "day")
                heard.append(said["text"].removeprefix(f"{whose} budget for today "))
                heard[-1] = heard[-1].rstrip(".")
    assert heard == ["is 80 % used", "is used up"]
    with entered(talk.tenant.scope):
        mails = claim_mails()
        assert claim_mails() == [], "claimed once"
    for found in mails:
        send(found)
    assert [sent.to for sent in mail.outbox] == [[email_of(talk.tenant, reader)]]
    assert mail.outbox[0].subject == f"Acme: {whose} budget for today is used up."


def test_no_mail_is_sent_where_nobody_wants_any(talk: Talk) -> None:
    budget(talk, limit_tokens=100)
    talk.provider.enqueue(reported(99))
    post(talk)
    with entered(talk.tenant.scope):
        UsageSettings.objects.create(pk=1, alert_mail=False)
        assert claim_mails() == []
        UsageSettings.objects.update(alert_mail=True)
        assert len(claim_mails()) == 1


def test_a_tenant_that_cannot_be_read_keeps_no_other_one_from_its_mails(
    inline_units: None, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def claim() -> list[mailing.Mail]:
        asked.append(scope().slug)
        raise ProgrammingError("its tables are not there")

    monkeypatch.setattr(mailing, "claim_mails", claim)
    async_to_sync(mailing.mail_all)()
    assert {acme.slug, globex.slug} <= set(asked)
