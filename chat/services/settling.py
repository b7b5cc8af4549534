"""The end of calls' accounts: what was held is given back, and warnings are told."""

from __future__ import annotations

from chat.services.progress import notify
from usage.services import Subject, settle


def settle_calls(*subjects: Subject) -> None:
    """After the calls were recorded, in that transaction. Whom a warning concerns hears
    of it at the commit: everybody's open pages are in some process."""
    for alert in settle(subjects):
        notify(
            "budget",
            "",
            users=list(alert.user_ids),
            scope=alert.scope,
            period=alert.period,
            percent=alert.percent,
        )
