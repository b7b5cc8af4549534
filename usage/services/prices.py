"""Which price holds for a model at a moment: the tenant's rule, else LiteLLM's list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from llm.client import Prompt
from usage.pricing import UnitPrice, list_price

# The rule in force for the model %(model)s at %(at)s: one row or none. In a pattern
# only * stands for something; a name without any is the most specific.
RULE: Final = r"""
SELECT input_per_million, cached_input_per_million, output_per_million,
       reasoning_per_million
FROM usage_pricerule
WHERE effective_from <= %(at)s AND %(model)s LIKE replace(replace(replace(replace(
          model, '\', '\\'), '%%', '\%%'), '_', '\_'), '*', '%%')
ORDER BY strpos(model, '*') > 0, length(replace(model, '*', '')) DESC,
         effective_from DESC, id DESC
LIMIT 1
"""


def rule_price(row: Sequence[Decimal | None]) -> UnitPrice | None:
    """Of a row of RULE, None where all is null."""
    input_, cached, output, reasoning = row
    if input_ is None or output is None:
        return None
    return UnitPrice(
        input=input_,
        cached_input=input_ if cached is None else cached,
        output=output,
        reasoning=output if reasoning is None else reasoning,
    )


def price_for(*, model: str, prompt: Prompt, at: datetime) -> UnitPrice | None:
    """Of `prompt`'s model, which the tenant calls `model` (`<provider name>/<model>`);
    None where nobody knows one."""
    values: dict[str, Any] = {"model": model, "at": at}
    with connection.cursor() as cursor:
        cursor.execute(RULE, values)
        row = cursor.fetchone()
    rule = rule_price(row) if row else None
    return rule or list_price(prompt.endpoint.provider, prompt.model)
