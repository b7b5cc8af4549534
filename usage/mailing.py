"""Mails that a budget is nearly or wholly used up.

Apart from turns, whose end must not wait for a mail server: each process looks once a
minute for warnings that nobody has mailed, claims them, and sends.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db import DatabaseError, ProgrammingError, transaction
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext

from accounts.models import User
from tenants.db import PUBLIC, Scope, scope, unit
from tenants.models import Tenant
from usage.models import Budget, BudgetPeriod, UsageSettings
from usage.services.settling import concerned, sentence

logger = structlog.get_logger(__name__)

_EVERY_SECONDS = 60.0
# Nobody wants to hear of yesterday's budget when mail works again.
_FRESH = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    text: str


def is_configured() -> bool:
    """Whether mail goes anywhere but to the log."""
    return not settings.EMAIL_BACKEND.endswith(".console.EmailBackend")


async def mail_warnings() -> None:
    """Forever; for each server process."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
        await mail_all()


async def mail_all() -> None:
    """What is to be sent now; a tenant whose tables cannot be read keeps no other one
    from its mails."""
    try:
        for target in await unit(PUBLIC, _served):
            try:
                mails = await unit(target, claim_mails)
            except ProgrammingError as error:
                logger.warning("budget mails put off", error=type(error).__name__)
                continue
            for mail in mails:
                await asyncio.to_thread(send, mail)
    except DatabaseError as error:
        logger.warning("budget mails put off", error=type(error).__name__)


def _served() -> list[Scope]:
    return [t.scope for t in Tenant.objects.filter(status=Tenant.Status.ACTIVE)]


@transaction.atomic
def claim_mails() -> list[Mail]:
    """Of the current tenant, what is to be sent now. Claimed by this call: if sending
    fails they are not sent again, since a page and the admin say the same."""
    if not UsageSettings.current().alert_mail:
        return []
    since = timezone.now() - _FRESH
    unsent = Q(warned_at_100__gte=since, mailed_percent__lt=100)
    unsent |= Q(warned_at_80__gte=since, mailed_percent__lt=80)
    periods = BudgetPeriod.objects.select_related("budget").filter(unsent)
    # What another process has locked, it mails, or a turn is just adding to.
    claimed = periods.select_for_update(of=("self",), skip_locked=True)
    mails: list[Mail] = []
    for period in claimed.order_by("budget", "start"):
        period.mailed_percent = 80 if period.warned_at_100 is None else 100
        period.save(update_fields=["mailed_percent"])
        budget = period.budget
        mails += [
            _mail(person, budget, period.mailed_percent)
            for person in concerned(budget.scope, budget.subject_id)
        ]
    return mails


def _mail(person: User, budget: Budget, percent: int) -> Mail:
    """One to each, so that nobody reads the others' addresses."""
    with translation.override(person.language or settings.LANGUAGE_CODE):
        text = sentence(budget.scope, budget.period, percent)
        more = gettext("The page “Usage” shows what was used and what is left.")
    return Mail(person.email, f"{scope().name}: {text}", f"{text}\n\n{more}\n")


def send(mail: Mail) -> None:
    try:
        send_mail(mail.subject, mail.text, None, [mail.to])
    except OSError as error:  # smtplib's errors are OSErrors
        logger.warning("budget mail not sent", error=type(error).__name__)
