"""Whatever people do to a conversation, in whatever order: the tree stays a tree, and
counters and totals are what a recount says.

The services are called as the views call them; a turn is ended by hand, without any
provider. Each example is a transaction that is rolled back, in which the database's
clock stands still: what is said of times is in test_tree.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts.errors import APIError
from accounts.models import User
from chat.errors import InvalidMessageError, TurnRunningError
from chat.models import RUNNING, Conversation, Message, Turn
from chat.parts import parts_of
from chat.services.finishing import TurnEnd, finish_turns
from chat.services.forking import fork
from chat.services.starting import start_turn
from chat.services.tree import delete_message, select_branch
from chat.turns.events import TurnEvent
from chat.turns.plan import Call, Outcome, Send, TurnPlan
from llm.events import FinishReason, ReasoningDelta, TextDelta, Usage
from tenants.db import entered
from tenants.models import Tenant
from tests.factories import person, point_agent
from usage.models import UsageRecord


@dataclass(frozen=True)
class End:
    """How a turn may end: the text that came, whether usage was reported."""

    status: Literal["done", "stopped", "failed", "interrupted"]
    text: str = ""
    reasoning: str = ""
    usage: Usage | None = None
    reason: FinishReason | None = None
    error_code: str = ""


ENDS = [
    End("done", "All.", reason="stop", usage=Usage(10, 5)),
    End("done", "Cut", reason="length", usage=Usage(10, 9)),
    End("stopped", "So f"),
    End("stopped"),
    End("failed", error_code="x"),
    End("failed", "Half", error_code="x"),
    End("interrupted", "Ha", "H"),
]
KINDS = [
    *("send", "below", "edit", "again", "continue", "select", "delete", "fork"),
    *("end",) * 2,  # what runs stands in the way of nearly all else
]
Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 10_000)), min_size=25, max_size=40
)


class World:
    """One person's conversations, and the turns that run in them."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.plans: dict[str, TurnPlan] = {}
        self.used: dict[str, int] = {}
        self.touched: set[str] = set()

    def do(self, kind: str, number: int) -> None:
        self.chance = chance = random.Random(number)
        ids = sorted(Conversation.objects.values_list("pk", flat=True))
        if not ids:
            self._start(Send(text="First"))
            return
        # Mostly the first one, so that its tree grows.
        chosen = ids[0] if chance.random() < 0.8 else chance.choice(ids)
        self.touched.add(chosen)
        conversation = Conversation.objects.get(pk=chosen)
        messages = list(conversation.messages.order_by("created_at", "pk"))
        if kind == "continue":
            messages = [m for m in messages if m.is_unfinished] or messages
        if kind == "end":
            self._end(conversation.pk, self.chance.choice(ENDS))
        elif kind == "send" or not messages:
            self._start(Send(text=f"Say {number}", conversation_id=conversation.pk))
        else:
            act: Callable[[Conversation, Message], None] = getattr(self, f"_{kind}")
            act(conversation, chance.choice(messages))

    def _start(self, send: Send) -> TurnPlan | None:
        """None where a turn runs already, and only then."""
        running = Turn.objects.running().filter(conversation=send.conversation_id)
        busy = running.exists()
        try:
            plan = start_turn(user=self.user, send=send)
        except TurnRunningError:
            assert busy
            return None
        assert not busy
        self.touched.add(plan.conversation_id)
        self.plans[plan.conversation_id] = plan
        chosen = Conversation.objects.get(pk=plan.conversation_id).active_leaf_id
        assert chosen == plan.reply_id, "the new reply is what is shown"
        if self.chance.random() < 0.7:
            self._end(plan.conversation_id, self.chance.choice(ENDS))
        return plan

    def _end(self, conversation_id: str, end: End) -> None:
        plan = self.plans.pop(conversation_id, None)
        if plan is None:
            return
        assert plan.prompt is not None
        text = plan.partial + end.text
        events: list[TurnEvent] = [ReasoningDelta(end.reasoning)] * bool(end.reasoning)
        events += [TextDelta(text)] * bool(text)
        price = plan.grant.price
        written = end.reasoning + end.text
        whole = Outcome(
            status=end.status,
            parts=parts_of(events),
            calls=(Call(plan.prompt, written, end.usage, plan.model, price),),
            reason=end.reason,
            error_code=end.error_code,
        )
        settled = finish_turns(
            [TurnEnd(plan=plan, outcome=whole, position=0, tail=lambda _: [])]
        )[0]
        assert settled is not None
        assert not finish_turns(
            [TurnEnd(plan=plan, outcome=whole, position=0, tail=lambda _: [])]
        )[0], "a turn ends once"

    def _below(self, conversation: Conversation, message: Message) -> None:
        self._start(
            Send(text="B", conversation_id=conversation.pk, parent_id=message.pk)
        )

    def _edit(self, conversation: Conversation, message: Message) -> None:
        send = Send(text="E", conversation_id=conversation.pk, target_id=message.pk)
        if message.role == Message.Role.USER:
            if plan := self._start(send):
                edited = Message.objects.get(pk=plan.user_message_id)
                assert edited.parent_id == message.parent_id
                assert edited.pk != message.pk
        else:
            self._refused(send, InvalidMessageError, TurnRunningError)

    def _again(self, conversation: Conversation, message: Message) -> None:
        send = Send(
            trigger="regenerate",
            conversation_id=conversation.pk,
            target_id=message.pk,
        )
        if plan := self._start(send):
            asked = message.role == Message.Role.USER
            question = message.pk if asked else message.parent_id
            assert plan.user_message_id == question

    def _continue(self, conversation: Conversation, message: Message) -> None:
        send = Send(
            trigger="continue", conversation_id=conversation.pk, target_id=message.pk
        )
        if message.is_unfinished:
            if plan := self._start(send):
                assert plan.user_message_id == message.parent_id
                reply = Message.objects.get(pk=plan.reply_id)
                assert plan.partial == message.text
                assert reply.text.startswith(message.text)
        else:
            self._refused(send, InvalidMessageError, TurnRunningError)

    def _refused(self, send: Send, *errors: type[APIError]) -> None:
        try:
            start_turn(user=self.user, send=send)
        except errors:
            return
        raise AssertionError(f"{send} should have been refused")

    def _select(self, conversation: Conversation, message: Message) -> None:
        below = [m for m in subtree(conversation, message) if not children(m)]
        newest = max(below, key=lambda m: (m.created_at, m.pk))
        chosen = select_branch(
            user=self.user, conversation_id=conversation.pk, message_id=message.pk
        )
        assert chosen == newest.pk

    def _delete(self, conversation: Conversation, message: Message) -> None:
        doomed = {m.pk for m in subtree(conversation, message)}
        before = set(conversation.messages.values_list("pk", flat=True))
        writing = conversation.messages.filter(status__in=RUNNING, pk__in=doomed)
        busy = writing.exists()
        try:
            delete_message(
                user=self.user, conversation_id=conversation.pk, message_id=message.pk
            )
        except TurnRunningError:
            assert busy
            return
        assert not busy
        left = set(conversation.messages.values_list("pk", flat=True))
        assert left == before - doomed
        after = Conversation.objects.get(pk=conversation.pk)
        if conversation.active_leaf_id not in doomed:
            assert after.active_leaf_id == conversation.active_leaf_id
        elif message.parent_id:
            assert message.parent_id in path(after)
        elif left:
            roots = conversation.messages.filter(parent=None)
            newest = max(roots, key=lambda m: (m.created_at, m.pk))
            assert path(after)[0] == newest.pk
        assert after.total_tokens == conversation.total_tokens

    def _fork(self, conversation: Conversation, message: Message) -> None:
        wanted = list(Message.objects.path_to(message.pk, conversation))
        busy = any(m.status in RUNNING for m in wanted)
        try:
            made = fork(
                user=self.user, conversation_id=conversation.pk, message_id=message.pk
            )
        except TurnRunningError:
            assert busy
            return
        assert not busy
        self.touched.add(made.pk)
        copies = [Message.objects.get(pk=pk) for pk in path(made)]
        assert [(m.text, m.created_at, m.status, m.cost) for m in copies] == [
            (m.text, m.created_at, m.status, m.cost) for m in wanted
        ]
        assert made.message_count == len(wanted) == made.messages.count()

    def check(self) -> None:
        with connection.cursor() as cursor:
            # The keys that hold the tree together, which are looked at late.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for conversation in Conversation.objects.filter(pk__in=self.touched):
            self._check(conversation)
        self.touched.clear()

    def _check(self, conversation: Conversation) -> None:
        rows = {m.pk: m for m in conversation.messages.all()}
        assert conversation.message_count == len(rows)
        for row in rows.values():
            above = row
            for _ in range(len(rows)):
                if above.parent_id is None:
                    break
                assert rows[above.parent_id].created_at < above.created_at
                above = rows[above.parent_id]
            assert above.parent_id is None, "a way up that never ends"
            if row.role == Message.Role.ASSISTANT:
                assert row.parent_id and rows[row.parent_id].role == "user"
        if rows:
            assert conversation.active_leaf_id in rows
            parents = {m.parent_id for m in rows.values()}
            assert conversation.active_leaf_id not in parents, "not a leaf"
            listed = Message.objects.path_to(conversation.active_leaf_id, conversation)
            assert [m.pk for m in listed] == path(conversation)
        else:
            assert conversation.active_leaf_id is None
            assert conversation.last_message_preview == ""
        ledger = UsageRecord.objects.filter(conversation_id=conversation.pk)
        used = ledger.aggregate(sum=Sum("total_tokens"))["sum"] or 0
        assert conversation.total_tokens == used
        assert used >= self.used.get(conversation.pk, 0), "tokens were forgotten"
        self.used[conversation.pk] = used


def children(message: Message) -> list[Message]:
    return list(Message.objects.filter(parent=message))


def subtree(conversation: Conversation, top: Message) -> list[Message]:
    """As said in Python."""
    found = [top]
    for message in found:
        found.extend(children(message))
    return found


def path(conversation: Conversation) -> list[str]:
    """The ids of the active branch, oldest first, as said in Python."""
    rows = {m.pk: m.parent_id for m in conversation.messages.all()}
    found: list[str] = []
    at = conversation.active_leaf_id
    while at is not None:
        found.append(at)
        at = rows[at]
    return found[::-1]


@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    # A failing list is short as it is; making it shorter takes minutes.
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(todo=steps)
def test_the_tree_and_its_counters_stay_right(
    db: None, acme: Tenant, todo: list[Step]
) -> None:
    with entered(acme.scope), transaction.atomic():
        point_agent(acme, "http://127.0.0.1:9")
        world = World(person(acme, "member"))
        for kind, number in todo:
            world.do(kind, number)
            world.check()
        transaction.set_rollback(True)
