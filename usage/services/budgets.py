"""Budgets, made and changed by admins."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import connection, models, transaction
from django.utils.translation import gettext

from accounts.models import ApiKey, User
from agents.models import Agent
from usage.models import Budget

_SUBJECTS: Final[dict[str, type[models.Model]]] = {
    "user": User,
    "agent": Agent,
    "key": ApiKey,
}
_FIXED: Final = ("scope", "subject_id", "period")


@transaction.atomic
def save_budget(*, budget: Budget, **fields: Any) -> Budget:
    """Make or change a budget; a changed limit holds from the next turn on.

    Raises django's ValidationError for an unknown subject, for a second budget of the
    same kind, and where whom or which period it is for would change.
    """
    with connection.cursor() as cursor:
        # One at a time; and not while turns are just ending that have not seen this
        # budget: its first sum could miss them.
        cursor.execute("LOCK TABLE usage_dailyusage IN SHARE ROW EXCLUSIVE MODE")
    for name, value in fields.items():
        is_other = not budget._state.adding and getattr(budget, name) != value
        if name in _FIXED and is_other:
            message = gettext("This cannot change: make another budget.")
            raise ValidationError({name: message})
        setattr(budget, name, value)
    budget.full_clean()
    subjects = _SUBJECTS.get(budget.scope)
    known = subjects is None or subjects._default_manager.filter(pk=budget.subject_id)
    if not known:
        messages = {
            "user": gettext("There is no such person."),
            "agent": gettext("There is no such agent."),
            "key": gettext("There is no such API key."),
        }
        raise ValidationError({"subject_id": messages[budget.scope]})
    budget.save()
    return budget


@transaction.atomic
def delete_budget(*, budget: Budget) -> None:
    """Waits for turns that are just beginning or ending, so that none is left holding
    something of a budget that is gone."""
    Budget.objects.select_for_update().filter(pk=budget.pk).first()
    list(budget.periods.select_for_update().order_by("start"))
    budget.delete()
