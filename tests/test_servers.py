"""The tests' own ground: what one test leaves running does not reach the next."""

from __future__ import annotations

from contextlib import ExitStack

from chat.models import Turn
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.talk import Talk
from tests.factories import point_agent
from tests.provider import Answer, Provider
from tests.servers import LiveServer, settle
from usage.models import UsageRecord

TURNS = 8


def test_turns_that_a_test_leaves_are_stopped_and_counted_before_it_ends(
    each_server: LiveServer, acme: Tenant, provider: Provider
) -> None:
    point_agent(acme, provider.url)
    provider.on("some-model", Answer(fault="stall", fault_after=3))
    with Talk(each_server, acme, provider) as talk, ExitStack() as readers:
        left = [readers.enter_context(talk.open()) for _ in range(TURNS)]
        left[-1].until("text-delta")
    assert not each_server.is_idle()
    settle(acme)
    assert each_server.is_idle()
    with entered(acme.scope):
        assert Turn.objects.filter(status=Turn.Status.STOPPED).count() == TURNS
        assert UsageRecord.objects.count() == TURNS
