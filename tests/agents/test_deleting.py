"""Deleting an agent while somebody takes it into use."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import pre_delete

from agents.models import Agent, AgentRevision
from agents.services import create_agent
from chat.models import Message
from tenants.db import entered
from tenants.models import Tenant
from tests.agents.test_services import together
from tests.chat.rows import make_conversation
from tests.clients import TenantClient


def test_an_agent_that_answers_while_it_is_deleted_stays_and_the_admin_says_why(
    committed: None, acme: Tenant
) -> None:
    """The database looks for what points at a row only at the end of the request,
    where nobody could say anything any more."""
    conversation = make_conversation(acme)
    with entered(acme.scope):
        agent = create_agent(slug="busy", name="Busy", model="local/smollm2-135m")
    admin = TenantClient(acme).sign_in("owner")

    def answer(sender: Any, instance: AgentRevision, **more: Any) -> None:
        """As another process does once it was seen that nothing uses the agent."""
        pre_delete.disconnect(answer, sender=AgentRevision)
        new = {"role": "assistant", "parent_id": conversation.active_leaf_id}
        together(
            acme,
            lambda: Message.objects.create(
                conversation_id=conversation.pk, agent_revision=instance, **new
            ),
        )

    pre_delete.connect(answer, sender=AgentRevision)
    path = f"/admin/agents/agent/{agent.pk}/delete/"
    shown = admin.post(path, {"post": "yes"}, follow=True)
    assert "Conversations use this agent" in shown.content.decode()
    with entered(acme.scope):
        assert Agent.objects.filter(pk=agent.pk).exists()
        assert Message.objects.filter(agent_revision=agent.revision).count() == 1
