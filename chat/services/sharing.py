"""Opening a conversation to others, and closing it again.

Each change writes a line of the log in the same transaction; what opens it locks the
conversation's row first. Who may no longer read is cut off by a notice to all processes
(chat.turns.audience).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from chat.errors import (
    ForbiddenError,
    NotFoundError,
    TooManySharesError,
    TurnRunningError,
)
from chat.models import Conversation, Message, Share, ShareEvent
from chat.services.access import refusal
from chat.services.progress import notify

# News of a conversation name its readers, and a notice holds 8,000 bytes.
SHARES_MAX = 200
# 192 bits, as 32 characters of an address.
_TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Made:
    """`token` only of a new link: nothing stored tells it again."""

    share: Share
    token: str | None
    is_new: bool


@transaction.atomic
def share(
    *,
    user: User,
    conversation_id: str,
    whom: str,
    role: str = Share.Role.VIEWER,
    expires_at: datetime | None = None,
) -> Made:
    """Open a conversation of `user` to `whom`: `tenant`, `link` or a person's e-mail
    address. Whom it is open to already gets the new role and expiry; a link is always
    a new one, of the branch that is shown now.

    Raises NotFoundError, ForbiddenError, ValidationError, TooManySharesError, and for a
    link TurnRunningError while its last reply is not finished.
    """
    conversation = _locked(user, conversation_id)
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": _("Choose a time that is still to come.")})
    if whom == Share.Kind.LINK:
        return _share_link(user, conversation, role, expires_at)
    person = None if whom == Share.Kind.TENANT else _person(user, whom)
    kind = Share.Kind.PERSON if person else Share.Kind.TENANT
    found = conversation.shares.standing().filter(kind=kind, person=person)
    # Locked, for a guest may be leaving, who locks nothing else.
    old = found.select_for_update(of=("self",)).select_related("person").first()
    if old is not None:
        old.role, old.expires_at = role, expires_at
        old.save(update_fields=["role", "expires_at"])
        _log(old, ShareEvent.Action.CHANGED, user)
        return Made(old, None, is_new=False)
    _check_room(conversation)
    made = Share.objects.create(
        conversation=conversation,
        kind=kind,
        person=person,
        role=role,
        created_by=user,
        expires_at=expires_at,
    )
    _log(made, ShareEvent.Action.SHARED, user)
    return Made(made, None, is_new=True)


@transaction.atomic
def revoke(*, user: User, conversation_id: str, share_id: str) -> None:
    """End a share of a conversation of `user`, or the one that lets `user` in.
    Raises NotFoundError and ForbiddenError."""
    shares = Share.objects.standing().filter(conversation=conversation_id)
    found = shares.filter(pk=share_id).select_related("person").first()
    own = Conversation.objects.owned_by(user).filter(pk=conversation_id).exists()
    if not own and not (found and found.person_id == user.pk):
        raise refusal(user, conversation_id)
    if found is None:
        raise NotFoundError("There is no such share.")
    _end(found, ShareEvent.Action.REVOKED if own else ShareEvent.Action.LEFT, user)


@transaction.atomic
def leave(*, user: User, conversation_id: str) -> None:
    """End the share that lets this person in. Raises NotFoundError, and ForbiddenError
    where there is none of theirs alone: for the owner, and where it is everybody's."""
    shares = Share.objects.live().filter(conversation=conversation_id, person=user)
    found = shares.select_related("person").first()
    if found is None:
        error = refusal(user, conversation_id)
        if isinstance(error, NotFoundError):
            raise error
        raise ForbiddenError(_("You are not here by a share of your own."))
    _end(found, ShareEvent.Action.LEFT, user)


def end_all(conversation: Conversation, by: User | None) -> None:
    """Before a conversation is removed; the log tells that its shares ended, and by
    whom, if by anybody."""
    standing = conversation.shares.standing().select_for_update(of=("self",))
    for found in standing.select_related("person"):
        _log(found, ShareEvent.Action.REMOVED, by)
    conversation.shares.all().delete()


def shorten_links(doomed: set[str], above: str | None) -> None:
    """Before these messages are removed, all that hangs below `above`: links to them
    show what is left of their branch."""
    Share.objects.filter(leaf__in=doomed).update(leaf=above)


def hash_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def linked(token: str) -> Share:
    """The live link with this token, with its conversation. Raises NotFoundError, also
    for one that has expired, that shows nothing any more, or whose owner was switched
    off: nobody is left to revoke it."""
    found = (
        Share.objects.live()
        .filter(kind=Share.Kind.LINK, token_hash=hash_of(token), leaf__isnull=False)
        .filter(conversation__owner__is_active=True)
        .select_related("conversation")
        .first()
    )
    if found is None:
        raise _nothing()
    return found


def _nothing() -> NotFoundError:
    return NotFoundError("There is nothing at this address.")


def snapshot(share: Share) -> list[Message]:
    """The messages that a link shows, oldest first. Raises NotFoundError if they are
    removed at this moment."""
    branch = Message.objects.path_to(share.leaf_id, share.conversation)
    found = list(branch.select_related("agent_revision__agent"))
    if not found:
        raise _nothing()
    return found


def _locked(user: User, conversation_id: str) -> Conversation:
    mine = Conversation.objects.owned_by(user).select_for_update()
    found = mine.filter(pk=conversation_id).first()
    if found is None:
        raise refusal(user, conversation_id)
    return found


def _person(user: User, email: str) -> User:
    found = User.objects.filter(email__iexact=email, is_active=True).first()
    if found is None:
        raise ValidationError({"with": _("Nobody here has this e-mail address.")})
    if found == user:
        raise ValidationError({"with": _("It is your own conversation.")})
    return found


def _check_room(conversation: Conversation) -> None:
    if conversation.shares.standing().count() >= SHARES_MAX:
        raise TooManySharesError


def _share_link(
    user: User, conversation: Conversation, role: str, expires_at: datetime | None
) -> Made:
    if role != Share.Role.VIEWER:
        raise ValidationError({"role": _("A link lets people read only.")})
    leaf = conversation.active_leaf
    if leaf is None:
        raise ValidationError({"with": _("There is nothing to show yet.")})
    if leaf.is_being_written:
        raise TurnRunningError
    _check_room(conversation)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    made = Share.objects.create(
        conversation=conversation,
        kind=Share.Kind.LINK,
        token_hash=hash_of(token),
        leaf=leaf,
        title=conversation.title,
        created_by=user,
        expires_at=expires_at,
    )
    _log(made, ShareEvent.Action.SHARED, user)
    return Made(made, token, is_new=True)


def _end(found: Share, action: ShareEvent.Action, user: User) -> None:
    """Once, whoever comes first."""
    standing = Share.objects.standing().filter(pk=found.pk)
    if standing.update(revoked_at=timezone.now()):
        _log(found, action, user)
        notify("unshared", "", conversation=found.conversation_id)


def _log(found: Share, action: ShareEvent.Action, user: User | None) -> None:
    ShareEvent.objects.create(
        action=action,
        actor=user.email if user else "",
        whom=found.whom,
        role=found.role,
        conversation_id=found.conversation_id,
        share_id=found.pk,
        expires_at=found.expires_at,
    )
