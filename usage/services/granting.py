"""What budgets and rates allow a turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from llm.client import Prompt
from usage.pricing import UnitPrice, list_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """On what terms a turn may run.

    `price` is None where none is known. `reply_tokens` is what the reply may have, None
    where no budget applies; `is_cut` says that it is less than was asked for.
    `headers` tell the client what is left of its rate.
    """

    price: UnitPrice | None = None
    reply_tokens: int | None = None
    is_cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def priced(self, prompt: Prompt) -> Grant:
        """With the list's price of that call, where the tenant has none."""
        if self.price is not None:
            return self
        return replace(self, price=list_price(prompt.endpoint.provider, prompt.model))

    def limited(self, prompt: Prompt) -> Prompt:
        """The call as it may be made."""
        if self.reply_tokens is None:
            return prompt
        most = {
            name: min(value, self.reply_tokens)
            for name in ("max_tokens", "max_completion_tokens")
            if isinstance(value := prompt.parameters.get(name), int)
        }
        return replace(prompt, parameters={**prompt.parameters, **most})
