"""Who else may see a conversation, and the log of it that outlives it."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from chat.ids import new_id
from chat.models.conversations import TITLE_LENGTH, Conversation, Message
from chat.querysets import ShareQuerySet


class Share(models.Model):
    """Opens a conversation to one person, to everybody of the tenant, or to whoever has
    a link; the link shows a branch as it was. A share that ended keeps its row."""

    class Kind(models.TextChoices):
        PERSON = "person", _("A person")
        TENANT = "tenant", _("Everybody here")
        LINK = "link", _("Whoever has the link")

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        PARTICIPANT = "participant", _("Participant")

    id = models.CharField(primary_key=True, max_length=64, default=new_id)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="shares"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="+",
    )
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.VIEWER)
    # Of a link: SHA-256 of its token in hex, the end of the branch it shows, in the
    # same conversation by the database, and the title as it was. Without its leaf it
    # shows nothing any more.
    token_hash = models.CharField(max_length=64, null=True, unique=True)
    leaf = models.ForeignKey(
        Message, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    title = models.CharField(max_length=TITLE_LENGTH, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects: ClassVar[ShareQuerySet] = ShareQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "person"],
                condition=Q(kind="person", revoked_at=None),
                name="share_one_for_a_person",
            ),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(kind="tenant", revoked_at=None),
                name="share_one_for_everybody",
            ),
            models.CheckConstraint(
                condition=Q(kind="person", person__isnull=False, token_hash=None)
                | Q(kind="tenant", person=None, token_hash=None)
                | Q(kind="link", person=None, token_hash__isnull=False, role="viewer"),
                name="share_shape",
            ),
        ]
        indexes = [
            models.Index(
                fields=["person"],
                condition=Q(kind="person", revoked_at=None),
                name="share_by_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.role}"

    @property
    def whom(self) -> str:
        """As the API names it: an e-mail address, `tenant` or `link`."""
        return self.person.email if self.person else self.kind


class ShareEvent(models.Model):
    """One line of the log: rows are only ever added. Ids and names are text, since they
    outlive what they name; a conversation's title is nobody's business here."""

    class Action(models.TextChoices):
        SHARED = "shared", _("Shared")
        CHANGED = "changed", _("Changed")
        REVOKED = "revoked", _("Revoked")
        LEFT = "left", _("Left")
        REMOVED = "removed", _("Ended with its conversation")

    action = models.CharField(max_length=10, choices=Action.choices)
    # Empty where nobody in particular did it: a conversation past its retention.
    actor = models.CharField("by", max_length=254, blank=True)
    whom = models.CharField("with", max_length=254)
    role = models.CharField(max_length=12, choices=Share.Role.choices)
    conversation_id = models.CharField("conversation", max_length=64)
    share_id = models.CharField("share", max_length=64)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField("at", auto_now_add=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "sharing event"
        indexes = [
            models.Index(fields=["conversation_id"], name="share_event_conversation")
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.whom}"
