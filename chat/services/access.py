"""Saying no."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from accounts.errors import APIError
from accounts.models import User
from chat.errors import ForbiddenError, NotFoundError
from chat.models import Conversation


def refusal(user: User, conversation_id: str) -> APIError:
    """What to raise where a narrower gate than `visible_to` let nothing through: who
    sees the conversation is told why, for everybody else it does not exist."""
    if Conversation.objects.visible_to(user).filter(pk=conversation_id).exists():
        return ForbiddenError(
            _("This conversation is shared with you, but not for that.")
        )
    return NotFoundError(_("There is no such conversation."))
