"""What logs and metrics are told of a turn; docs/logs.md lists the events.

Ids, codes, counts and times: never the text of a message, never a key.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import structlog

from chat import metrics
from chat.turns.plan import Outcome, Settled, TurnPlan
from llm.client import Prompt
from llm.errors import LLMError

logger = structlog.get_logger(__name__)

WITHHELD = "withheld: it repeats the conversation"
# A run of twice as many characters of a message is found for certain.
_BLOCK = 12
# Shorter messages are in every text by accident.
_SHORTEST = 4


class TurnReport:
    """One turn's reporter; its methods are called in this order, most of them once."""

    def __init__(self, plan: TurnPlan) -> None:
        self._over: float | None = None
        self.goes_on(plan)

    def goes_on(self, plan: TurnPlan) -> None:
        """From here on the turn is this one: of another model, after a fallback."""
        self._plan = plan
        self._provider = provider_of(plan)
        self._log = logger.bind(
            user=plan.user_id,
            conversation=plan.conversation_id,
            turn=plan.turn_id,
            agent=plan.agent_slug,
            model=plan.model,
        )

    def started(self) -> None:
        self._log.info("turn started", message_length=self._plan.message_length)

    def first_token(self, ttft_ms: int | None) -> None:
        self._log.info("first token", ttft_ms=ttft_ms)
        if ttft_ms is not None:
            metrics.FIRST_TOKEN.labels(self._provider).observe(ttft_ms / 1000)

    def asked_again(self, error: LLMError) -> None:
        """The provider failed before its first token and gets a second chance."""
        self._log.info("provider asked again", **self._failure(error))
        metrics.PROVIDER_ERRORS.labels(self._provider, error.code).inc()
        metrics.PROVIDER_RETRIES.labels(self._provider).inc()

    def fell_back(self, error: LLMError, model: str) -> None:
        """The model failed before its first token; the agent's next one is asked."""
        self._log.info("fell back", next_model=model, **self._failure(error))
        metrics.PROVIDER_ERRORS.labels(self._provider, error.code).inc()
        metrics.FALLBACKS.labels(self._provider).inc()

    def provider_failed(self, error: LLMError) -> None:
        self._log.warning("provider failed", **self._failure(error))
        metrics.PROVIDER_ERRORS.labels(self._provider, error.code).inc()

    def tool_called(self, name: str, started: float, *, failed: bool) -> int:
        """How many milliseconds it took; `started` is of time.monotonic(). What went in
        and out is not logged."""
        milliseconds = round((time.monotonic() - started) * 1000)
        self._log.info(
            "tool called", tool=name[:64], failed=failed, duration_ms=milliseconds
        )
        return milliseconds

    def crashed(self, error: BaseException) -> None:
        """A fault of ours while the provider was read."""
        self._log.error("turn crashed", exc_info=error)

    def provider_over(self) -> None:
        """The provider has said its last word, whichever it was."""
        self._over = time.monotonic()

    def persistence_retried(self, wait: float) -> None:
        self._log.warning("persistence retried", wait=wait)
        metrics.PERSISTENCE_RETRIES.inc()

    def usage_not_storable(self) -> None:
        """What the provider reported does not fit the ledger; we count ourselves."""
        self._log.exception("usage not storable")

    def ended(self, outcome: Outcome, settled: Settled | None) -> None:
        """`settled` None: another process had ended the turn, and has counted it."""
        seconds = time.monotonic() - self._over if self._over is not None else 0.0
        self._log.info(
            "turn ended",
            status=outcome.status,
            code=outcome.error_code,
            reason=outcome.reason,
            tokens=settled.usage.total_tokens if settled else None,
            estimated=settled.usage.estimated if settled else None,
            ttft_ms=outcome.ttft_ms,
            duration_ms=outcome.duration_ms,
            persisted_ms=round(seconds * 1000),
        )
        if settled is None:
            return
        _count(self._provider, outcome)
        metrics.PERSISTENCE.observe(seconds)
        if speed := _speed(outcome, settled):
            metrics.SPEED.labels(self._provider).observe(speed)

    def lost(self) -> None:
        """Called where the exception is being handled that prevents the end."""
        self._log.exception("turn failed to end")
        metrics.LOST.inc()

    def recovered(self, outcome: Outcome, settled: Settled, worker: str) -> None:
        """The turn of a dead process was ended here; `worker` is the dead one."""
        self._log.warning(
            "turn recovered", worker=worker, tokens=settled.usage.total_tokens
        )
        metrics.RECOVERED.inc()
        _count(self._provider, outcome)

    def _failure(self, error: LLMError) -> dict[str, object]:
        repeats = self._plan.prompt and _repeats(error.detail, self._plan.prompt)
        return {
            "code": error.code,
            "provider_status": error.provider_status,
            "detail": WITHHELD if repeats else error.detail,
        }


def provider_of(plan: TurnPlan) -> str:
    """The kind of provider; `none` where the configuration led to none."""
    return plan.prompt.endpoint.provider if plan.prompt else "none"


def _count(provider: str, outcome: Outcome) -> None:
    metrics.TURNS.labels(provider, outcome.status, outcome.error_code).inc()
    metrics.DURATION.labels(outcome.status).observe(outcome.duration_ms / 1000)


def _speed(outcome: Outcome, settled: Settled) -> float | None:
    """Tokens a second; of complete replies only, the others' counts are estimates."""
    if outcome.status != "done" or outcome.ttft_ms is None:
        return None
    seconds = (outcome.duration_ms - outcome.ttft_ms) / 1000
    # The first token has come when the time begins.
    tokens = settled.usage.completion_tokens - 1
    return tokens / seconds if tokens > 0 and seconds > 0 else None


def _repeats(detail: str, prompt: Prompt) -> bool:
    """Some servers answer a bad request with the request itself, as it was or with
    JSON's escapes."""
    plain = _unescaped(detail)
    return any(
        block in detail or block in plain
        for message in prompt.messages
        for block in _blocks(str(message.get("content", "")))
    )


def _blocks(text: str) -> Iterator[str]:
    if len(text) <= 2 * _BLOCK:
        if len(text) >= _SHORTEST:
            yield text
        return
    for start in range(0, len(text) - _BLOCK + 1, _BLOCK):
        yield text[start : start + _BLOCK]


def _unescaped(text: str) -> str:
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
    return plain.replace("\\n", "\n").replace('\\"', '"')
