"""What a turn is about, fixed before it starts; and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from llm.client import Prompt
from llm.events import FinishReason, Usage
from tenants.db import Scope
from usage.services import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """What a person or program asked for, checked for shape only.

    `target_id` is the message that is edited (submit), answered anew (regenerate) or
    the reply that goes on (continue); `parent_id` the message to branch below. When
    regenerating, `text` and `message_id` are those of the question as the client holds
    it, if it said.
    """

    text: str = ""
    conversation_id: str | None = None
    message_id: str | None = None
    trigger: Literal["submit", "regenerate", "continue"] = "submit"
    target_id: str | None = None
    parent_id: str | None = None
    agent: str | None = None
    model: str | None = None
    idempotency_key: str | None = None

    @property
    def digest(self) -> str:
        """Equal for sends that mean the same, whatever key they carry."""
        meant = replace(self, idempotency_key=None)
        return sha256(repr(meant).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPlan:
    """A turn whose rows are committed. `failure` stands in for `prompt` where
    the configuration already rules out an answer. `fallbacks` are ids of models to ask
    where `model` cannot answer; `partial` is what the reply begins with: the text of
    another one that it continues. `api_key_id` is the key the author used, `grant` what
    the budgets and the rates allow, at which price."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a turn ended. `usage` None: the provider did not say, count it."""

    status: Literal["done", "stopped", "failed", "interrupted"]
    text: str
    reasoning: str
    usage: Usage | None
    model_answered: str = ""
    reason: FinishReason | None = None
    error_code: str = ""
    first_token_at: datetime | None = None
    ttft_ms: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """What was stored at the end of a turn."""

    usage: Usage
    cost: Decimal | None
    # What is to be asked for a title, if this was the first reply; often empty.
    title_model: str
