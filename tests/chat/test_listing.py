"""The list of conversations, its marks, and many of them changed at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from chat.models import Conversation
from chat.views.listing import by_date
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.test_pages import make_conversation
from tests.clients import TenantClient

ClientFor = Callable[..., TenantClient]
UNREAD = "data-unread-sign><"
LIST = "/conversations"


def change(tenant: Tenant, made: Conversation, **values: object) -> None:
    with entered(tenant.scope):
        Conversation.objects.filter(pk=made.pk).update(**values)


def fresh(tenant: Tenant, made: Conversation) -> Conversation | None:
    with entered(tenant.scope):
        return Conversation.objects.filter(pk=made.pk).first()


def text(answer: Any) -> str:
    shown: str = answer.content.decode()
    return shown


def test_conversations_are_grouped_by_date() -> None:
    noon = timezone.now().replace(year=2026, month=6, day=20, hour=12)
    days = (0, 0, 1, 2, 7, 31, 400)
    rows = [Conversation(last_message_at=noon - timedelta(days=age)) for age in days]
    groups = by_date(rows, date(2026, 6, 20))
    assert [(group.heading, len(group.conversations)) for group in groups] == [
        ("Today", 2),
        ("Yesterday", 1),
        ("Last 7 days", 1),
        ("Last 30 days", 1),
        ("May 2026", 1),
        ("May 2025", 1),
    ]
    assert by_date([], date(2026, 6, 20))[0].name == "today"


def test_pinned_ones_stand_above_and_only_there(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, title="Kept near")
    make_conversation(acme, title="Newer")
    client = client_for(acme, "member")
    there = {"action": "pin", "id": made.pk, "next": f"/c/{made.pk}"}
    assert client.post(LIST, there)["Location"] == f"/c/{made.pk}"
    page = text(client.get("/"))
    assert page.count("Kept near") == 1
    assert page.index("Pinned") < page.index("Kept near") < page.index("Newer")
    elsewhere = {**there, "next": "https://evil.example/"}
    assert client.post(LIST, elsewhere)["Location"] == LIST


def test_a_conversation_is_unread_from_its_answer_until_it_is_looked_at(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme)
    client = client_for(acme, "member")
    assert UNREAD not in text(client.get("/"))
    for look in (f"/c/{made.pk}", f"/c/{made.pk}/seen"):
        change(acme, made, last_message_at=timezone.now())
        assert UNREAD in text(client.get("/"))
        method = client.post if look.endswith("seen") else client.get
        assert method(look).status_code in {200, 204}
        assert UNREAD not in text(client.get("/"))


def test_a_running_turn_is_marked(acme: Tenant, client_for: ClientFor) -> None:
    made = make_conversation(acme)
    line = client_for(acme, "member").get(f"/c/{made.pk}/listed")
    assert "data-running-sign hidden" in text(line)
    leaf = made.active_leaf
    assert leaf is not None
    with entered(acme.scope):
        made.turns.create(reply=leaf, author=made.owner)
    line = client_for(acme, "member").get(f"/c/{made.pk}/listed")
    assert "data-running-sign><" in text(line)


@pytest.mark.parametrize(("method", "action"), [("post", "seen"), ("get", "listed")])
def test_a_line_is_only_for_who_may_see_it(
    acme: Tenant, globex: Tenant, client_for: ClientFor, method: str, action: str
) -> None:
    path = f"/c/{make_conversation(acme).pk}/{action}"
    for client in (client_for(acme, "stranger"), client_for(globex, "member")):
        assert getattr(client, method)(path).status_code == 404
    assert getattr(client_for(acme), method)(path).status_code == 302


def test_many_are_archived_and_restored_on_one_page(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = [make_conversation(acme, title=f"no {number}.") for number in range(3)]
    client = client_for(acme, "member")
    ticked = [row.pk for row in made[:2]]
    client.post(LIST, {"action": "archive", "id": ticked})
    page = text(client.get(LIST))
    assert "2 conversations archived." in page
    assert ("no 0." in page, "no 2." in page) == (False, True)
    archive = f"{LIST}?show=archived"
    page = text(client.get(archive))
    assert ("no 0." in page, "no 2." in page) == (True, False)
    restored = client.post(archive, {"action": "restore", "id": ticked[0]})
    assert restored["Location"] == archive
    assert "no 0." in text(client.get(LIST))


def test_deleting_asks_first_and_spares_what_is_not_mine(
    acme: Tenant, client_for: ClientFor
) -> None:
    mine, theirs = make_conversation(acme), make_conversation(acme, "owner", title="X!")
    form = {"action": "delete", "id": [mine.pk, theirs.pk]}
    client = client_for(acme, "member")
    page = text(client.post(LIST, form))
    assert "Delete 1 conversation for good?" in page
    assert "X!" not in page
    assert fresh(acme, mine) is not None
    client.post(LIST, {**form, "sure": "yes"})
    assert fresh(acme, mine) is None
    assert fresh(acme, theirs) is not None


@pytest.mark.parametrize(
    "form",
    [{}, {"action": "explode", "id": "x" * 20}, {"action": "pin", "id": "\x00' --"}],
)
def test_nonsense_changes_nothing(
    acme: Tenant, client_for: ClientFor, form: dict[str, str]
) -> None:
    client = client_for(acme, "member")
    assert client.post(LIST, form)["Location"] == LIST
    assert "Nothing was chosen." in text(client.get(LIST))


def test_an_import_by_form_tells_what_became_of_it(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, "stranger", title="Taken along")
    theirs = client_for(acme, "stranger")
    exported = theirs.get(f"/api/v1/chat/{made.pk}/export").content
    client = client_for(acme, "member", enforce_csrf_checks=True)
    page = text(client.get("/settings/data"))
    token = page.partition('name="csrfmiddlewaretoken" value="')[2][:64]
    file = SimpleUploadedFile("mine.json", exported)
    assert client.post("/settings/data", {"file": file}).status_code == 403
    file.seek(0)
    form = {"file": file, "csrfmiddlewaretoken": token}
    answer = client.post("/settings/data", form)
    assert "1 conversation imported." in text(answer)
    assert "Taken along" in text(client.get("/"))
    broken = {**form, "file": SimpleUploadedFile("x.json", b"{nonsense")}
    for bad in (broken, {"csrfmiddlewaretoken": token}):
        answer = client.post("/settings/data", bad)
        assert answer.status_code == 400
        assert 'role="alert"' in text(answer)


def test_the_first_steps_are_for_admins_and_know_what_is_done(
    acme: Tenant, client_for: ClientFor
) -> None:
    page = text(client_for(acme, "owner").get("/welcome"))
    assert "1 of 4 are done" in page  # the cast are people already
    assert client_for(acme, "member").get("/welcome").status_code == 403
    make_conversation(acme)
    assert "2 of 4 are done" in text(client_for(acme, "owner").get("/welcome"))


def test_search_while_typing_shows_the_first_hits_as_a_fragment(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, title="Boats & harbours")
    client = client_for(acme, "member")
    found = text(client.get("/search/results?q=harb"))
    assert f'href="/c/{made.pk}"' in found
    assert "<mark>harbours</mark>" in found
    assert "<html" not in found
    assert "Nothing has" in text(client.get("/search/results?q=%3Cb%3Enone"))
    assert client_for(acme).get("/search/results?q=harb").status_code == 302
    strangers = text(client_for(acme, "stranger").get("/search/results?q=harb"))
    assert "Boats" not in strangers
