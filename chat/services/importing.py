"""Stores conversations that came in a file: new ids, mine, and nothing in the ledger,
for nothing was used here."""

from __future__ import annotations

from typing import IO, TypedDict

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from agents.models import Agent, AgentRevision
from chat.errors import NoAgentError
from chat.ids import new_id
from chat.importing.drafts import Draft, DraftMessage, UnusableError, put_in_order
from chat.importing.reading import read_conversations
from chat.models import (
    PREVIEW_LENGTH,
    TITLE_LENGTH,
    Conversation,
    Message,
    one_line,
)
from tenants.db import release

_MODEL_LENGTH = 201  # of the column


class Skipped(TypedDict):
    title: str
    reason: str


class Report(TypedDict):
    imported: int
    skipped: list[Skipped]


def import_file(*, owner: User, file: IO[bytes]) -> Report:
    """Each conversation in a transaction of its own; one that cannot be taken is left
    out and reported. Raises InvalidFileError or NoAgentError, and then nothing was
    stored (unless the last agent was deleted meanwhile)."""
    agents = _agents(owner)
    if not agents:
        raise NoAgentError
    release()  # the file is read through first, which takes a while
    report = Report(imported=0, skipped=[])
    for title, draft in read_conversations(file):
        try:
            if isinstance(draft, UnusableError):
                raise draft
            put_in_order(draft)
            if not draft.messages:
                raise UnusableError(gettext("It has no messages."))
        except UnusableError as reason:
            report["skipped"].append(Skipped(title=title, reason=str(reason)))
            continue
        try:
            store_draft(owner=owner, agent=_agent_of(draft, agents), draft=draft)
        except IntegrityError:  # an agent was deleted since we looked
            agents = _agents(owner)
            if not agents:
                raise NoAgentError from None
            store_draft(owner=owner, agent=_agent_of(draft, agents), draft=draft)
        report["imported"] += 1
    return report


def _agents(owner: User) -> list[Agent]:
    """Those this person may use, the default first."""
    return list(Agent.objects.visible_to(owner).in_order())


def _agent_of(draft: Draft, agents: list[Agent]) -> Agent:
    return next((a for a in agents if a.slug == draft.agent), agents[0])


@transaction.atomic
def store_draft(*, owner: User, agent: Agent, draft: Draft) -> Conversation:
    """`draft` has been put in order and has messages."""
    now = timezone.now()
    ids = {message.key: new_id() for message in draft.messages}
    revisions = _revisions(owner, draft)
    first = next((m.text for m in draft.messages if m.text.strip()), "")
    newest = max(draft.messages, key=lambda message: message.created_at)
    conversation = Conversation.objects.create(
        owner=owner,
        agent=agent,
        title=one_line(draft.title or first, TITLE_LENGTH),
        title_set_at=now,
        message_count=len(draft.messages),
        last_message_at=newest.created_at,
        last_message_preview=one_line(newest.text, PREVIEW_LENGTH),
        # From now: its retention here begins today.
        archived_at=now if draft.archived else None,
    )
    rows = [
        _row(conversation, message, ids, revisions.get(message.revision))
        for message in draft.messages
    ]
    Message.objects.bulk_create(rows, batch_size=500)
    Conversation.objects.filter(pk=conversation.pk).update(
        active_leaf=ids[draft.active] if draft.active else None,
        created_at=draft.created_at or rows[0].created_at,
        updated_at=draft.updated_at or now,
    )
    return conversation


def _revisions(owner: User, draft: Draft) -> dict[object, AgentRevision]:
    """Those that this person can see and that are the very same as in the file."""
    wanted = {message.revision for message in draft.messages if message.revision}
    found = AgentRevision.objects.filter(
        agent__in=Agent.objects.visible_to(owner),
        created_at__in=[made for _, _, made in wanted],
    ).select_related("agent")
    known = {(row.agent.slug, row.number, row.created_at): row for row in found}
    return {key: row for key, row in known.items() if key in wanted}


def _author(owner: User, message: DraftMessage) -> User | None:
    """Others of the file are nobody here: names prove nothing."""
    mine = message.role == Message.Role.USER and not message.by_other
    return owner if mine else None


def _row(
    conversation: Conversation,
    message: DraftMessage,
    ids: dict[str, str],
    revision: AgentRevision | None,
) -> Message:
    return Message(
        id=ids[message.key],
        conversation=conversation,
        parent_id=ids[message.parent] if message.parent is not None else None,
        role=message.role,
        author=_author(conversation.owner, message),
        parts=message.parts,
        text=message.text,
        status=message.status,
        error_code=message.error_code,
        model=message.model[:_MODEL_LENGTH],
        agent_revision=revision,
        finish_reason=message.finish_reason,
        prompt_tokens=message.prompt_tokens,
        completion_tokens=message.completion_tokens,
        total_tokens=message.total_tokens,
        estimated=message.estimated,
        cost=message.cost,
        created_at=message.created_at,
    )
