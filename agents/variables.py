"""Variables of system prompts: `{{date}}`, `{{user.name}}`, `{{tenant.name}}`.

One pass over the text and nothing else: a value is never read as a template itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrPromise

from accounts.models import User
from tenants.db import scope

# What a name inside the braces may look like; other braces are text. A backslash makes
# text of a variable too.
_VARIABLE = re.compile(r"(\\?)\{\{[ \t]*([A-Za-z_][\w.]*)[ \t]*\}\}")
VARIABLES: Mapping[str, StrPromise] = {
    "date": _("today's date (UTC), such as Sunday, 22 November 2026"),
    "user.name": _("the name of the person who asks"),
    "tenant.name": _("the name of this workspace"),
}
_VALUE_LENGTH = 150


def check(prompt: str) -> None:
    """Raises django's ValidationError for a variable that does not exist."""
    for escape, name in _VARIABLE.findall(prompt):
        if not escape and name not in VARIABLES:
            known = ", ".join(f"{{{{{each}}}}}" for each in VARIABLES)
            raise ValidationError(
                gettext(
                    "There is no variable {{%(name)s}}; known: %(known)s. "
                    "Write \\{{%(name)s}} to have it as text."
                )
                % {"name": name, "known": known}
            )


def fill(prompt: str, user: User) -> str:
    """The prompt as the model gets it when this person asks, in the current tenant."""
    if "{{" not in prompt:
        return prompt
    values = {
        "date": f"{timezone.now():%A, %-d %B %Y}",
        "user.name": _plain(user.get_short_name()),
        "tenant.name": _plain(scope().name),
    }

    def value(found: re.Match[str]) -> str:
        escape, name = found.groups()
        if escape:
            return found[0][1:]
        return values.get(name, found[0])

    return _VARIABLE.sub(value, prompt)


def _plain(name: str) -> str:
    """One line: people choose their names, and a prompt is made of lines."""
    return " ".join(name.split())[:_VALUE_LENGTH]
