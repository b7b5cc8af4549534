"""What a turn is about, fixed before it starts; and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Literal

from agents.parameters import MAX_STEPS
from agents.tools.toolbox import NO_TOOLS, Wanted
from chat.models import Message
from chat.turns.events import TurnEvent
from llm.client import Prompt
from llm.events import FinishReason, ToolCalled, Usage
from tenants.db import Scope
from usage.pricing import UnitPrice
from usage.services import Grant, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """What a person or program asked for, checked for shape only.

    `target_id` is the message that is edited (submit), answered anew (regenerate) or
    the reply that goes on (continue) or waits for `approvals`, pairs of a request's id
    and whether it is allowed (approve); `parent_id` the message to branch below. When
    regenerating, `text` and `message_id` are those of the question as the client holds
    it, if it said, and `wish` is what the new reply should be like.
    """

    text: str = ""
    conversation_id: str | None = None
    message_id: str | None = None
    trigger: Literal["submit", "regenerate", "continue", "approve"] = "submit"
    approvals: tuple[tuple[str, bool], ...] = ()
    target_id: str | None = None
    parent_id: str | None = None
    agent: str | None = None
    model: str | None = None
    idempotency_key: str | None = None
    wish: str = ""

    @property
    def digest(self) -> str:
        """Equal for sends that mean the same, whatever key they carry."""
        meant = replace(self, idempotency_key=None)
        return sha256(repr(meant).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPlan:
    """A turn whose rows are committed. `failure` stands in for `prompt` where
    the configuration already rules out an answer. `fallbacks` are ids of models to ask
    where `model` cannot answer; `wanted` its tools, `max_steps` how often it is asked;
    `partial` is what the reply begins with: the text of another one that it continues.
    `api_key_id` is the key the author used, `grant` what the budgets and the rates
    allow, at which price.

    A turn that goes on with a reply has what the reply held before (`recalled`), what
    that used (`spent`), and the calls that a person has `decided`: whether they are
    allowed. Its tools work for whoever asked first (`acts_for`), though somebody else
    may have allowed them.
    """

    scope: Scope
    turn_id: str
    conversation_id: str
    user_message_id: str
    reply_id: str
    user_id: int
    api_key_id: int | None
    agent_id: int
    agent_slug: str
    model: str
    fallbacks: tuple[str, ...] = ()
    new_title: str | None
    message_length: int
    partial: str
    prompt: Prompt | None
    failure: Exception | None
    grant: Grant
    wanted: Wanted = NO_TOOLS
    max_steps: int = MAX_STEPS
    recalled: tuple[TurnEvent, ...] = ()
    decided: tuple[tuple[ToolCalled, bool], ...] = ()
    spent: Spent | None = None
    acts_for: int | None = None

    @property
    def subject(self) -> Subject:
        """Who and what the turn's calls are charged to."""
        return Subject(
            user_id=self.user_id,
            api_key_id=self.api_key_id,
            agent_id=self.agent_id,
            model=self.model,
            conversation_id=self.conversation_id,
            message_id=self.reply_id,
            turn_id=self.turn_id,
        )


@dataclass(frozen=True, slots=True)
class Spent:
    usage: Usage
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a model: what it wrote, and its usage, None where the provider did
    not say and it has to be counted from `prompt`. `model` is what was asked, as
    `<provider name>/<model>`; `failed` that no answer came, whatever the turn became.
    """

    prompt: Prompt | None
    written: str
    usage: Usage | None
    model: str
    price: UnitPrice | None
    model_answered: str = ""
    ttft_ms: int | None = None
    duration_ms: int = 0
    failed: bool = False


_REPLY_STATUS = {
    "done": Message.Status.COMPLETE,
    "stopped": Message.Status.STOPPED,
    "failed": Message.Status.FAILED,
    "interrupted": Message.Status.INTERRUPTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a turn ended; `parts` as chat.parts."""

    status: Literal["done", "stopped", "failed", "interrupted"]
    parts: list[dict[str, Any]]
    calls: tuple[Call, ...]
    reason: FinishReason | None = None
    error_code: str = ""
    first_token_at: datetime | None = None
    ttft_ms: int | None = None
    duration_ms: int = 0

    @property
    def text(self) -> str:
        return "".join(p["text"] for p in self.parts if p["type"] == "text")

    @property
    def reply_status(self) -> Message.Status:
        return _REPLY_STATUS[self.status]


@dataclass(frozen=True, slots=True)
class Settled:
    """What was stored at the end of a turn."""

    usage: Usage
    cost: Decimal | None
    # What is to be asked for a title, if this was the first reply; often empty.
    title_model: str
