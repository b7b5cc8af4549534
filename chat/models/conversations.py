"""Conversations, the tree of messages in each, and the turns that make replies.

A message's parent and a conversation's active leaf lie in the same conversation: the
first migration adds composite foreign keys that PostgreSQL enforces. The columns for
search stand in no model (the migration of that name).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, AgentRevision, Credential
from chat.ids import ID, new_id
from chat.querysets import ConversationQuerySet, MessageQuerySet, TurnQuerySet

if TYPE_CHECKING:
    from accounts.models import User
    from chat.models.sharing import Share

TITLE_LENGTH = 100
WISH_LENGTH = 1_000
PREVIEW_LENGTH = 200


def one_line(text: str, length: int) -> str:
    """`text` without line breaks, cut at `length` characters."""
    line = " ".join(text[: length * 4].split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


class Conversation(models.Model):
    id = models.CharField(
        primary_key=True, max_length=64, default=new_id, validators=[ID]
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations"
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=TITLE_LENGTH, blank=True)
    title_set_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When a person chose the title themselves.")
    )
    message_count = models.PositiveIntegerField(default=0)
    total_tokens = models.PositiveBigIntegerField(default=0)
    last_message_at = models.DateTimeField(default=timezone.now)
    last_message_preview = models.CharField(max_length=PREVIEW_LENGTH, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    pinned_at = models.DateTimeField(null=True, blank=True)
    # When its owner last looked at it.
    seen_at = models.DateTimeField(
        default=timezone.now, db_default=Now(), editable=False
    )
    # The end of the branch that is shown; it has no children.
    active_leaf = models.ForeignKey(
        "Message",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    live_shares: list[Share]

    objects: ClassVar[ConversationQuerySet] = ConversationQuerySet.as_manager()  # type: ignore[assignment]  # a manager with the queryset's verbs

    class Meta:
        ordering = ["-last_message_at", "-pk"]
        indexes = [
            models.Index(
                "owner",
                models.F("last_message_at").desc(),
                models.F("id").desc(),
                name="conversation_list",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(id__regex=r"^[A-Za-z0-9_-]{8,64}$"),
                name="conversation_id_shape",
            )
        ]

    def __str__(self) -> str:
        return self.title or self.pk

    def rename(self, title: str) -> None:
        """A title that a person chose; nothing overwrites it."""
        self._change(title=title, title_set_at=timezone.now())

    def archive(self) -> None:
        if self.archived_at is None:
            self._change(archived_at=timezone.now())

    def restore(self) -> None:
        self._change(archived_at=None)

    def pin(self) -> None:
        if self.pinned_at is None:
            self._change(pinned_at=timezone.now())

    def unpin(self) -> None:
        self._change(pinned_at=None)

    def see(self) -> None:
        """Its owner looks at it. No change of the conversation itself."""
        Conversation.objects.filter(pk=self.pk).update(seen_at=timezone.now())

    def hand_to(self, agent: Agent) -> None:
        """The agent that answers from now on, where a send names none."""
        self._change(agent=agent)

    def role_of(self, user: User) -> str:
        """What this person, who may see it, is here: owner, participant or viewer. It
        was read `with_shares`."""
        if self.owner_id == user.pk:
            return "owner"
        mine = [s for s in self.live_shares if s.person_id in {None, user.pk}]
        writes = any(share.role == "participant" for share in mine)
        return "participant" if writes else "viewer"

    def is_left_by(self, user: User) -> bool:
        """Whether this person has a share of their own to give up. It was read
        `with_shares`."""
        return any(share.person_id == user.pk for share in self.live_shares)

    def _change(self, **fields: Any) -> None:
        """An UPDATE of these fields; nothing, if the row was purged meanwhile."""
        self.updated_at = timezone.now()
        for name, value in fields.items():
            setattr(self, name, value)
        own = Conversation.objects.filter(pk=self.pk)
        own.update(**fields, updated_at=self.updated_at)


class Message(models.Model):
    class Role(models.TextChoices):
        USER = "user", _("User")
        ASSISTANT = "assistant", _("Assistant")

    class Status(models.TextChoices):
        COMPLETE = "complete", _("Complete")
        PENDING = "pending", _("Pending")
        STREAMING = "streaming", _("Streaming")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    id = models.CharField(
        primary_key=True, max_length=64, default=new_id, validators=[ID]
    )
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="children"
    )
    role = models.CharField(max_length=10, choices=Role.choices)
    # Of a user message: who wrote it; nobody where that is not known here.
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        # Nobody asks for a person's messages, and people are not deleted.
        db_index=False,
        related_name="+",
    )
    # AI SDK parts: [{"type": "text", "text": …}, {"type": "reasoning", …}].
    parts = models.JSONField(default=list)
    text = models.TextField(blank=True)
    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.COMPLETE
    )
    error_code = models.CharField(max_length=50, blank=True)
    model = models.CharField(max_length=201, blank=True)
    agent_revision = models.ForeignKey(
        AgentRevision, on_delete=models.PROTECT, null=True, related_name="+"
    )
    finish_reason = models.CharField(max_length=20, blank=True)
    # Of a reply: what a person wanted to be other than in the one before.
    wish = models.CharField(
        max_length=WISH_LENGTH, blank=True, default="", db_default=""
    )
    # The id of that one. No foreign key, for a message is deleted without asking which
    # wishes were about it.
    wish_about = models.CharField(max_length=64, blank=True, default="", db_default="")
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    total_tokens = models.PositiveIntegerField(default=0)
    estimated = models.BooleanField(default=False)
    cost = models.DecimalField(max_digits=20, decimal_places=10, null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[MessageQuerySet] = MessageQuerySet.as_manager()  # type: ignore[assignment]  # as above

    class Meta:
        ordering = ["created_at", "pk"]
        indexes = [
            models.Index(
                fields=["conversation", "-created_at", "-id"], name="message_list"
            )
        ]
        constraints = [
            # What the composite foreign keys of the first migration point at.
            models.UniqueConstraint(
                fields=["conversation", "id"], name="message_in_conversation"
            ),
            models.CheckConstraint(
                condition=Q(id__regex=r"^[A-Za-z0-9_-]{8,64}$"),
                name="message_id_shape",
            ),
            models.CheckConstraint(
                condition=~Q(parent=models.F("id")), name="message_not_its_own_parent"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {one_line(self.text, 60)}"

    @property
    def is_unfinished(self) -> bool:
        """A reply that ended before its time, and so can be continued."""
        return self.role == self.Role.ASSISTANT and (
            self.status
            in {self.Status.STOPPED, self.Status.FAILED, self.Status.INTERRUPTED}
            or (self.status == self.Status.COMPLETE and self.finish_reason == "length")
        )

    @property
    def is_being_written(self) -> bool:
        """Also a reply whose tools wait for a person: it goes on in the same row."""
        asks = any(part.get("state") == "approval-requested" for part in self.parts)
        return self.status in RUNNING or asks


# Of turns, and of the replies they write.
RUNNING = ("pending", "streaming")


class Turn(models.Model):
    """One user message and the reply to it, as a state machine.

    pending → streaming → done | stopped | failed | interrupted; every step is a
    conditional UPDATE, so that ending a turn twice is harmless.
    """

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        STREAMING = "streaming", _("Streaming")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Stopped")
        FAILED = "failed", _("Failed")
        INTERRUPTED = "interrupted", _("Interrupted")

    id = models.CharField(primary_key=True, max_length=64, default=new_id)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="turns"
    )
    # More than one turn writes a reply whose tools waited for a person.
    reply = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="turns")
    status = models.CharField(
        max_length=12, choices=Status.choices, default=Status.PENDING
    )
    error_code = models.CharField(max_length=50, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    # The version of the provider's key it runs on. Not a key of the database, which
    # would look for such turns whenever a provider is deleted.
    credential = models.ForeignKey(
        Credential,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    # The key the author used, if any: what the turn uses is charged to it.
    api_key_id = models.BigIntegerField(null=True)
    # What the client calls this send, so that a repeated one makes nothing new.
    idempotency_key = models.CharField(max_length=200, null=True)
    # Of what was sent under that key, which may not be used for anything else.
    send_digest = models.CharField(max_length=64, blank=True)
    worker = models.CharField(max_length=100, blank=True)
    # When the process that runs it last said so; the sweeper ends what falls silent.
    heartbeat_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(auto_now_add=True)
    stop_requested_at = models.DateTimeField(null=True)
    first_token_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[TurnQuerySet] = TurnQuerySet.as_manager()  # type: ignore[assignment]  # as above

    class Meta:
        constraints = [
            # The last word on "one turn at a time", whatever the code forgets.
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=RUNNING),
                name="turn_one_running",
            ),
            models.UniqueConstraint(
                fields=["author", "idempotency_key"], name="turn_idempotency_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["heartbeat_at"],
                condition=Q(status__in=RUNNING),
                name="turn_running_by_heartbeat",
            ),
            models.Index(fields=["finished_at"], name="turn_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.status}"


class TurnLogEntry(models.Model):
    """Some events of a turn, from number `position` on, before number `end`.

    Append-only; removed some minutes after the turn. No foreign key in the database:
    the flusher writes many turns at once, and one that was purged in between must not
    fail the others.
    """

    turn = models.ForeignKey(
        Turn, on_delete=models.DO_NOTHING, db_constraint=False, related_name="log"
    )
    position = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    events = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["turn", "end"], name="turn_log_by_number")]

    def __str__(self) -> str:
        return f"{self.turn_id} {self.position}-{self.end}"
