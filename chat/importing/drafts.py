"""What the readers of all formats make of a file, and the checks that all of it passes
before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

MESSAGES_MAX = 20_000
# Of one parent: a message names all its siblings wherever it is shown.
SIBLINGS_MAX = 1_000
# Of one message.
TEXT_MAX = 1024 * 1024
# Of a message whose file does not say; it gets that of what is above it.
UNKNOWN = datetime.min.replace(tzinfo=UTC)


class UnusableError(Exception):
    """Why one conversation cannot be taken: a sentence for the report."""


@dataclass(slots=True)
class DraftMessage:
    """`key` and `parent` are the file's own ids; storing it makes new ones."""

    key: str
    parent: str | None
    role: str
    text: str
    created_at: datetime
    parts: list[dict[str, Any]] = field(default_factory=list)
    model: str = ""
    status: str = "complete"
    error_code: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    estimated: bool = False
    cost: Decimal | None = None
    # Of a user message: by somebody else than whose conversation it was.
    by_other: bool = False
    # Slug, number and time of the revision that wrote it.
    revision: tuple[str, int, datetime] | None = None


@dataclass(slots=True)
class Draft:
    title: str
    messages: list[DraftMessage]
    active: str | None = None
    agent: str = ""
    archived: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


def put_in_order(draft: Draft) -> None:
    """Sorts the messages, parents first, and gives each a time after its parent's, as
    branches are read in order of time; makes `active` the end of a branch.

    Raises UnusableError if they are no tree, or too many.
    """
    if len(draft.messages) > MESSAGES_MAX:
        raise UnusableError(
            _("It has more than %(most)s messages.")
            % {"most": number_format(MESSAGES_MAX)}
        )
    keys = {message.key for message in draft.messages}
    if len(keys) != len(draft.messages):
        raise UnusableError(_("Two of its messages have the same id."))
    children: dict[str | None, list[DraftMessage]] = {}
    for message in draft.messages:
        if message.parent is not None and message.parent not in keys:
            raise UnusableError(_("A message answers one that is not there."))
        children.setdefault(message.parent, []).append(message)
    if any(len(siblings) > SIBLINGS_MAX for siblings in children.values()):
        raise UnusableError(
            _("A message has more than %(most)s versions.")
            % {"most": number_format(SIBLINGS_MAX)}
        )
    ordered = _walk(children, draft.created_at or timezone.now())
    if len(ordered) != len(draft.messages):
        raise UnusableError(_("Its messages answer each other in a circle."))
    draft.messages = ordered
    if draft.active not in keys:
        draft.active = ordered[-1].key if ordered else None
    while below := children.get(draft.active, []) if draft.active else []:
        draft.active = below[-1].key


def _walk(
    children: dict[str | None, list[DraftMessage]], start: datetime
) -> list[DraftMessage]:
    ordered: list[DraftMessage] = []
    waiting = [(message, start) for message in reversed(children.get(None, []))]
    while waiting:
        message, above = waiting.pop()
        if message.created_at == UNKNOWN:
            message.created_at = above
        if message.parent is not None and message.created_at <= above:
            message.created_at = above + timedelta(microseconds=1)
        ordered.append(message)
        below = children.get(message.key, [])
        waiting += [(child, message.created_at) for child in reversed(below)]
    return ordered


# ------------------------------------------------------------- values of a file

# What the readers call them; translated only where there is a reason to tell.
NAMES: Final = (
    gettext_noop("A call's id"),
    gettext_noop("A code"),
    gettext_noop("A cost"),
    gettext_noop("A message"),
    gettext_noop("A message's agent"),
    gettext_noop("A message's attachments"),
    gettext_noop("A message's content"),
    gettext_noop("A message's files"),
    gettext_noop("A message's parts"),
    gettext_noop("A message's time"),
    gettext_noop("A message's usage"),
    gettext_noop("A model"),
    gettext_noop("A node"),
    gettext_noop("A part"),
    gettext_noop("A revision"),
    gettext_noop("A revision's time"),
    gettext_noop("A tool"),
    gettext_noop("An agent"),
    gettext_noop("An agent's revisions"),
    gettext_noop("An agent's slug"),
    gettext_noop("An approval"),
    gettext_noop("An approval's id"),
    gettext_noop("An attachment"),
    gettext_noop("An attachment's name"),
    gettext_noop("An author"),
    gettext_noop("An id"),
    gettext_noop("Its agent"),
    gettext_noop("Its agents"),
    gettext_noop("Its chat_messages"),
    gettext_noop("Its conversation"),
    gettext_noop("Its mapping"),
    gettext_noop("Its messages"),
    gettext_noop("Its name"),
    gettext_noop("Its time"),
    gettext_noop("Its title"),
    gettext_noop("What a tool said"),
)


def _reason(text: str, what: str, **more: str) -> UnusableError:
    return UnusableError(text % {"what": _(what), **more})


def text_of(value: object, what: str) -> str:
    """Raises UnusableError for what is no text or cannot be stored."""
    if not isinstance(value, str):
        raise _reason(_("%(what)s is not a text."), what)
    if len(value) > TEXT_MAX:
        raise _reason(
            _("%(what)s is longer than %(most)s characters."),
            what,
            most=number_format(TEXT_MAX),
        )
    if "\x00" in value:
        raise _reason(_("%(what)s contains a NUL character."), what)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _reason(_("%(what)s contains half a surrogate pair."), what) from error
    return value


def list_of(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise _reason(_("%(what)s is not a list."), what)
    return value


def dict_of(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _reason(_("%(what)s is not an object."), what)
    return value


def time_of(value: object, what: str) -> datetime:
    """ISO 8601 or seconds since 1970; between then and tomorrow."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value[:40])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        else:
            raise _reason(_("%(what)s is not a time."), what)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        found = found.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise _reason(_("%(what)s is not a time."), what) from error
    tomorrow = timezone.now() + timedelta(days=1)
    if not datetime(1970, 1, 1, tzinfo=UTC) <= found <= tomorrow:
        raise _reason(_("%(what)s is not a possible time."), what)
    return found
