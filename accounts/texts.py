"""Texts of allauth's forms that ours say otherwise: its German says “du”, ours “Sie”.

They are marked here, so that our catalogues have them: they are looked up there first.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_noop

ALLAUTH: Final = (
    gettext_noop("Be patient, you are sending too many requests."),
    gettext_noop("Please type your current password."),
    gettext_noop("You have signed out."),
    gettext_noop("You must type the same password each time."),
)
