"""A workspace in which things have happened, for looking at its pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from unittest.mock import patch

from django.utils import timezone

from accounts.models import User
from accounts.services import create_api_key
from agents.models import Agent
from chat.models import ChatSettings, Conversation
from chat.services.sharing import share
from llm.events import Usage
from tenants.db import entered
from tenants.models import Tenant
from tests.browser.states import RICH
from tests.chat.rows import make_conversation
from tests.factories import person
from usage.models import Budget
from usage.pricing import UnitPrice
from usage.services import CallMade, Subject, record_calls
from usage.services.budgets import save_budget

# Title, how many days ago, whether it is pinned.
CONVERSATIONS = [
    ("How to season a cast-iron pan", 0, True),
    ("Notes for the review of the budget, with figures", 0, False),
    ("Regular expressions for postal codes", 1, False),
    ("Trip to Trieste", 3, False),
    ("Why is the sky blue?", 12, False),
    ("מתכון לחלה", 13, False),
    ("A letter to the landlord", 70, False),
]
SAID = (
    "What should I see in Trieste, and what does the budget of 400 € allow for?",
    "**Three things**: the castle of Miramare, Piazza Unità at dusk, and a coffee in "
    "one of the old houses.\n\n| What | Cost |\n| :-- | --: |\n| Miramare | 12 € |\n"
    "| Two nights | 240 € |\n\nThat leaves about *150 €* for the rest.",
    "And how do I get there?",
    "By night train from Vienna.",
)
STARTERS = [
    "Draft a polite reply to a customer who waits for a refund",
    "Explain this error message in plain words",
    "Summarise my notes from the meeting",
    "What changed in the travel policy this year?",
]
MODELS = ("openai/gpt-4o-mini", "anthropic/claude-sonnet", "local/smollm2-135m")
PRICE = UnitPrice(
    input=Decimal(3),
    cached_input=Decimal("0.3"),
    output=Decimal(15),
    reasoning=Decimal(15),
)


@dataclass(frozen=True)
class Places:
    """Addresses that are known only now: a shared conversation, and a public link."""

    shared: str
    link: str


def fill(tenant: Tenant, language: str) -> Places:
    """For the owner, whose language it sets; the member has nothing yet."""
    now = timezone.now()
    for title, days, pinned in CONVERSATIONS:
        said = SAID if title.startswith("Trip") else ("About the budget", RICH)
        made = make_conversation(tenant, "owner", title=title, said=said)
        with entered(tenant.scope):
            Conversation.objects.filter(pk=made.pk).update(
                last_message_at=now - timedelta(days=days),
                seen_at=now - timedelta(days=days, minutes=int(days == 1)),
                pinned_at=now if pinned else None,
            )
    make_conversation(tenant, "owner", title="Put away", archived_at=now)
    owner = person(tenant, "owner")
    with entered(tenant.scope):
        User.objects.update(language=language)
        User.objects.filter(pk=owner.pk).update(name="Ada Lovelace")
        create_api_key(user=owner, name="Nightly report")
        _agents()
        _usage(owner)
        trip = Conversation.objects.get(title="Trip to Trieste")
        ways = {"member@acme.test": "participant", "tenant": "viewer"}
        for whom, role in ways.items():
            share(user=owner, conversation_id=trip.pk, whom=whom, role=role)
        ChatSettings.objects.update_or_create(defaults={"link_shares": True})
        link = share(user=owner, conversation_id=trip.pk, whom="link")
    return Places(f"/c/{trip.pk}", f"/s/{link.token}")


def _agents() -> None:
    assistant = Agent.objects.get(slug="assistant")
    assistant.starters = STARTERS
    assistant.emoji, assistant.color = "★", "teal"
    assistant.save()


def _usage(user: User) -> None:
    agent = Agent.objects.get(slug="assistant").pk
    now = timezone.now()
    limits = (("tenant", None, 36), ("user", user.pk, 200))
    for scope, subject, limit in limits:
        save_budget(
            budget=Budget(scope=scope, subject_id=subject, period="month"),
            limit_cost=Decimal(limit),
        )
    for day in range(min(now.day, 20)):
        with patch("django.utils.timezone.now", lambda: now - timedelta(days=day)):  # noqa: B023
            for number, model in enumerate(MODELS[: 1 + day % 3]):
                record_calls(
                    CallMade(
                        subject=Subject(
                            user_id=user.pk,
                            agent_id=agent,
                            model=model,
                            conversation_id="chat-00001",
                            message_id="reply-0001",
                            turn_id=f"turn-{day}-{number}",
                            api_key_id=None,
                        ),
                        usage=Usage(
                            prompt_tokens=90_000 * (1 + day % 4),
                            completion_tokens=12_000 * (1 + day % 3),
                            cached_tokens=30_000,
                            reasoning_tokens=2_000,
                        ),
                        price=PRICE if number < 2 else None,
                        status="done",
                        ttft_ms=300,
                        duration_ms=4_000,
                    )
                )
