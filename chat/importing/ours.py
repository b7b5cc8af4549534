"""Our own JSON (docs/export.md); what is wrong with a value is said in the report."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from chat.exporting.document import VERSION
from chat.importing.drafts import (
    Draft,
    DraftMessage,
    UnusableError,
    dict_of,
    list_of,
    text_of,
    time_of,
)
from chat.importing.parts import parts_of
from chat.models import RUNNING, Message

_TOKENS_MAX = 2**31 - 1
_COST_MAX = Decimal(10) ** 9
_COST_UNIT = Decimal("1e-10")  # of the column

Revisions = dict[tuple[str, int], datetime]


def draft_of(item: dict[str, Any]) -> Draft:
    """Raises UnusableError."""
    if item.get("version") != VERSION:
        raise UnusableError(
            _("It is not of version %(version)d, the only one known here.")
            % {"version": VERSION}
        )
    found = dict_of(item.get("conversation"), "Its conversation")
    revisions = _revisions(item)
    messages = list_of(item.get("messages"), "Its messages")
    active = found.get("active_leaf_id")
    return Draft(
        title=text_of(found.get("title", ""), "Its title"),
        messages=[_message(value, revisions, found.get("owner")) for value in messages],
        active=active if isinstance(active, str) else None,
        agent=text_of(found.get("agent", ""), "Its agent"),
        archived=_time(found, "archived_at"),
        created_at=_time(found, "created_at"),
        updated_at=_time(found, "updated_at"),
    )


def _time(found: dict[str, Any], name: str) -> datetime | None:
    value = found.get(name)
    return (
        None if value is None else time_of(value, _("Its %(field)s") % {"field": name})
    )


def _revisions(item: dict[str, Any]) -> Revisions:
    """When each was made: only the very same revision counts as the writer here."""
    revisions: Revisions = {}
    for value in list_of(item.get("agents", []), "Its agents"):
        agent = dict_of(value, "An agent")
        slug = text_of(agent.get("slug"), "An agent's slug")
        for entry in list_of(agent.get("revisions", []), "An agent's revisions"):
            revision = dict_of(entry, "A revision")
            made = time_of(revision.get("created_at"), "A revision's time")
            revisions[slug, _count(revision, "number")] = made
    return revisions


def _message(value: object, revisions: Revisions, owner: object) -> DraftMessage:
    found = dict_of(value, "A message")
    parent = found.get("parent_id")
    usage = dict_of(found.get("usage", {}), "A message's usage")
    role = _choice(found, "role", Message.Role.values)
    status = _choice(found, "status", Message.Status.values)
    return DraftMessage(
        key=text_of(found.get("id"), "An id"),
        parent=None if parent is None else text_of(parent, "An id"),
        role=role,
        text=text_of(found.get("text", ""), "A message"),
        parts=parts_of(
            found.get("parts", []), from_model=role == Message.Role.ASSISTANT
        ),
        created_at=time_of(found.get("created_at"), "A message's time"),
        model=text_of(found.get("model", ""), "A model"),
        # Nobody writes it here.
        status=Message.Status.INTERRUPTED if status in RUNNING else status,
        error_code=_short(found, "error_code", 50),
        finish_reason=_short(found, "finish_reason", 20),
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        total_tokens=_count(usage, "total_tokens"),
        estimated=usage.get("estimated") is True,
        cost=_cost(usage.get("cost")),
        by_other=found.get("author", owner) != owner,
        revision=_revision(found.get("agent"), revisions),
    )


def _field(name: str) -> str:
    """As the file calls it."""
    return _("A message's %(field)s") % {"field": name}


def _choice(found: dict[str, Any], name: str, allowed: list[str]) -> str:
    value = found.get(name)
    if not isinstance(value, str) or value not in allowed:
        raise UnusableError(
            _("%(what)s is none of %(allowed)s.")
            % {"what": _field(name), "allowed": ", ".join(allowed)}
        )
    return value


def _short(found: dict[str, Any], name: str, length: int) -> str:
    """`length` is the column's."""
    text = text_of(found.get(name) or "", _field(name))
    if len(text) > length:
        raise UnusableError(_("%(what)s is too long.") % {"what": _field(name)})
    return text


def _count(found: dict[str, Any], name: str) -> int:
    value = found.get(name, 0)
    if type(value) is not int or not 0 <= value <= _TOKENS_MAX:
        raise UnusableError(
            _("%(what)s is no possible number.") % {"what": _field(name)}
        )
    return value


def _cost(value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        cost = Decimal(text_of(value, "A cost")[:40])
    except InvalidOperation as error:
        raise UnusableError(
            _("%(what)s is not a number.") % {"what": _("A cost")}
        ) from error
    if not (cost.is_finite() and 0 <= cost <= _COST_MAX):
        raise UnusableError(
            _("%(what)s is no possible number.") % {"what": _("A cost")}
        )
    # PostgreSQL refuses exponents that its column would round away.
    return cost.quantize(_COST_UNIT)


def _revision(value: object, revisions: Revisions) -> tuple[str, int, datetime] | None:
    if value is None:
        return None
    agent = dict_of(value, "A message's agent")
    key = (
        text_of(agent.get("slug"), "An agent's slug"),
        _count(agent, "revision"),
    )
    return (*key, revisions[key]) if key in revisions else None
