"""What a model is asked: system prompt and branch, cut to its context window.

Built from the server's own rows; what a client says of earlier messages is not used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db.models import F, Func, JSONField

from accounts.models import User
from agents import variables
from agents.models import LOCAL, AgentRevision
from agents.resolving import Resolved
from chat.fitting import fitted, window_of
from chat.models import Conversation, Message
from chat.parts import Part, messages_of, messages_so_far
from llm import catalogue
from llm.client import Endpoint, Parameters, Prompt, Timeouts
from llm.prompt import CONTINUE, WISHED
from llm.prompt import Message as PromptMessage

_LOCAL_FIRST_TOKEN: Final = 180.0


def build(
    conversation: Conversation,
    question: Message,
    revision: AgentRevision,
    resolved: Resolved,
    author: User,
    *,
    reply: Message | None = None,
    partial: str = "",
    continued: bool = False,
) -> Prompt:
    """The call that answers `question`, which `author` asks, with what is wished of the
    `reply` to be written; or goes on with the answer `partial`, or with a reply whose
    tools waited for a person (`continued`)."""
    endpoint, bare_model, _ = resolved
    window = window_of(endpoint.provider, bare_model)
    reserve = _max_tokens(revision, endpoint, bare_model, window)
    messages: list[PromptMessage] = []
    if revision.system_prompt:
        system = variables.fill(revision.system_prompt, author)
        messages.append({"role": "system", "content": system})
    for role, text, parts in _branch(conversation, question):
        if parts:
            messages += messages_of(parts)
        # A reply that failed before its first word would confuse the model.
        elif text:
            messages.append({"role": role, "content": text})
    if reply is not None and reply.wish:
        _add_wish(messages, reply)
    if reply is not None and continued:
        messages += messages_so_far(reply.parts, provider=endpoint.provider)
    if partial.strip():
        messages.append({"role": "assistant", "content": partial})
        messages.append({"role": "user", "content": CONTINUE})
    return Prompt(
        endpoint=endpoint,
        model=bare_model,
        messages=fitted(messages, bare_model, window, reserve),
        parameters=_parameters(revision, reserve, continued=continued),
        timeouts=Timeouts(
            connect=settings.TURN_CONNECT_TIMEOUT,
            first_token=_first_token_timeout(endpoint),
            idle=settings.TURN_IDLE_TIMEOUT,
            total=settings.TURN_TOTAL_TIMEOUT,
        ),
    )


def _add_wish(messages: list[PromptMessage], reply: Message) -> None:
    said = WISHED.format(reply.wish)
    answered = _earlier(reply)
    if answered.strip():
        messages.append({"role": "assistant", "content": answered})
        messages.append({"role": "user", "content": said})
    else:  # many models refuse two questions in a row
        question = messages[-1]
        messages[-1] = {**question, "content": f"{question['content']}\n\n{said}"}


def _earlier(reply: Message) -> str:
    """What the wish is about; empty for none, or one that was deleted meanwhile."""
    if not reply.wish_about:
        return ""
    own = Message.objects.filter(conversation=reply.conversation_id)
    found = own.filter(pk=reply.wish_about, role=Message.Role.ASSISTANT)
    return found.values_list("text", flat=True).first() or ""


def _parameters(
    revision: AgentRevision, reserve: int, *, continued: bool
) -> Parameters:
    parameters = {**revision.parameters, "max_tokens": reserve}
    parameters.pop("max_steps", None)
    if continued:
        # Who thinks wants its signed thoughts back with the results of its tools, and
        # those are kept within one turn only.
        parameters.pop("reasoning_effort", None)
    return parameters


# Only where a tool was called: all other replies are their text.
_PARTS = Func(
    F("parts"),
    template="CASE WHEN jsonb_path_exists(%(expressions)s, '$[*].toolCallId')"
    " THEN %(expressions)s END",
    output_field=JSONField(null=True),
)


def _branch(
    conversation: Conversation, question: Message
) -> Iterable[tuple[str, str, list[Part] | None]]:
    """Role and text of each message down to the question, and its parts if it called
    tools."""
    if question.parent_id is None:
        return [(question.role, question.text, None)]
    path = Message.objects.path_to(question.pk, conversation)
    return path.annotate(called=_PARTS).values_list("role", "text", "called")


def _first_token_timeout(endpoint: Endpoint) -> float:
    """Seconds. The local model reads a long prompt on the server's own CPU, with
    nobody to blame for the time it takes."""
    if endpoint.provider == LOCAL:
        return max(settings.TURN_FIRST_TOKEN_TIMEOUT, _LOCAL_FIRST_TOKEN)
    return float(settings.TURN_FIRST_TOKEN_TIMEOUT)


def _max_tokens(
    revision: AgentRevision, endpoint: Endpoint, model: str, window: int
) -> int:
    """The reply's limit: the agent's, the model's and the server's, and never more
    than half the window, so that the question fits too."""
    limits = [settings.TURN_MAX_OUTPUT_TOKENS, window // 2]
    limits.append(revision.parameters.get("max_tokens") or limits[0])
    limits.append(catalogue.max_output_tokens(endpoint.provider, model) or limits[0])
    return min(limits)
