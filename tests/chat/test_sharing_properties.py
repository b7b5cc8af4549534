"""Whoever shares, revokes, leaves or lets expire, in whatever order: nobody sees a row
without a live share, and nobody writes with less than a participant's."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts.errors import APIError
from accounts.models import User
from chat.models import Conversation, Message, Share, Turn
from chat.services.sharing import leave, revoke, share
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.factories import person

CAST = ("owner", "member", "stranger")
ROLES = ("viewer", "participant")
steps = st.lists(
    st.tuples(
        st.sampled_from(["share", "share", "all", "link", "revoke", "leave", "expire"]),
        st.integers(0, 1),  # whose conversation
        st.sampled_from(CAST),  # with whom
        st.sampled_from(ROLES),
    ),
    min_size=8,
    max_size=15,
)


class World:
    """Two conversations, and who is let in as what by a plain reading of the rules."""

    def __init__(self, acme: Tenant) -> None:
        self.people = {name: person(acme, name) for name in CAST}
        self.owners = ("member", "owner")
        self.made = [make_conversation(acme, name) for name in self.owners]
        self.roles: list[dict[str, str]] = [{}, {}]
        for made in self.made:
            Turn.objects.create(
                conversation=made,
                reply=made.messages.get(role="assistant"),
                author=made.owner,
                status="done",
            )

    def do(self, kind: str, number: int, name: str, role: str) -> None:
        owner, roles = self.owners[number], self.roles[number]
        by, at = self.people[owner], self.made[number].pk
        whom = {"share": self.people[name].email, "all": "tenant", "link": "link"}
        key = {"share": name, "all": "*"}.get(kind, "")
        standing = Share.objects.standing().filter(conversation=at)
        chosen = standing.filter(person=self.people[name])
        try:
            if kind in whom:
                share(user=by, conversation_id=at, whom=whom[kind], role=role)
                if key:
                    roles[key] = role
            elif kind == "revoke":
                for each in chosen or standing.exclude(person=None):
                    revoke(user=by, conversation_id=at, share_id=each.pk)
                    roles.pop(self._name(each.person), None)
            elif kind == "leave":
                leave(user=self.people[name], conversation_id=at)
                del roles[name]
            else:
                chosen.update(expires_at=timezone.now() - timedelta(seconds=1))
                roles.pop(name, None)
        except (APIError, ValidationError):
            return  # oneself, a link for participants, what one is not in

    def _name(self, found: User | None) -> str:
        return next(name for name, user in self.people.items() if user == found)

    def check(self) -> None:
        for name, user in self.people.items():
            seen, written = set(), set()
            for number, made in enumerate(self.made):
                mine = name == self.owners[number]
                roles = self.roles[number]
                given = {roles.get(name), roles.get("*")} - {None}
                if mine or given:
                    seen.add(made.pk)
                if mine or "participant" in given:
                    written.add(made.pk)
            every = Conversation.objects
            assert set(every.visible_to(user).values_list("pk", flat=True)) == seen
            assert set(every.writable_by(user).values_list("pk", flat=True)) == written
            for whole in (Conversation.objects, Message.objects):
                halves = [set(half) for half in whole.visible_halves(user, shared=True)]
                assert halves[0].isdisjoint(halves[1])
                assert halves[0] | halves[1] == set(whole.visible_to(user))
            for rows in (Message.objects, Turn.objects):
                found = rows.visible_to(user).values_list("conversation_id", flat=True)
                assert set(found) == seen


@settings(
    max_examples=8,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(todo=steps)
def test_nobody_sees_a_row_without_a_live_share(
    db: None, acme: Tenant, todo: list[tuple[str, int, str, str]]
) -> None:
    with entered(acme.scope), transaction.atomic():
        world = World(acme)
        for step in todo:
            world.do(*step)
            world.check()
        transaction.set_rollback(True)
