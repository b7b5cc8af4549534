"""A place in one conversation: its questions, a search in it, links to its messages;
and its title."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat.models import Conversation, Message
from chat.services.sharing import share
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation, make_message
from tests.clients import TenantClient
from tests.factories import person

ClientFor = Callable[..., TenantClient]
SAID = (
    "Where is the *harbour*?",
    "By the **sea**.",
    "And the ship?",
    "In the harbour.",
)


def with_another_version(tenant: Tenant) -> tuple[Conversation, Message]:
    made = make_conversation(tenant, said=SAID)
    with entered(tenant.scope):
        question = made.messages.get(text=SAID[2])
        other = make_message(made, "Harbour & <b>home</b>", question, number=9)
    return made, other


def test_the_questions_are_listed_and_words_found_in_all_versions(
    acme: Tenant, client_for: ClientFor
) -> None:
    made, other = with_another_version(acme)
    client = client_for(acme, "member")
    outline = client.get(f"/c/{made.pk}/find").content.decode()
    assert "Where is the *harbour*?" in outline
    assert "And the ship?" in outline
    assert "By the" not in outline
    found = client.get(f"/c/{made.pk}/places?q=harb").content.decode()
    assert "Where is the *<mark>harbour</mark>*?" in found
    assert "In the <mark>harbour</mark>." in found
    assert "<mark>Harbour</mark> &amp; &lt;b&gt;home&lt;/b&gt;" in found
    assert found.count("in another version") == 1
    assert f"/c/{made.pk}?at={other.pk}#message-{other.pk}" in found
    assert "And the ship?" not in found


@pytest.mark.parametrize(
    ("q", "said"),
    [("-ship", "Give at least one word"), ("zebra", "Nothing has"), ("x" * 201, "200")],
)
def test_what_finds_nothing_says_why(
    acme: Tenant, client_for: ClientFor, q: str, said: str
) -> None:
    made = make_conversation(acme, said=SAID)
    for page in ("find", "places"):
        answer = client_for(acme, "member").get(f"/c/{made.pk}/{page}?q={q}")
        assert answer.status_code == 200
        assert said in answer.content.decode()


def test_a_preview_shows_the_end_or_what_is_around_a_message(
    acme: Tenant, client_for: ClientFor
) -> None:
    said = [f"text <{n}>" for n in range(12)]
    made = make_conversation(acme, said=tuple(said))
    client = client_for(acme, "member")
    with entered(acme.scope):
        third = made.messages.get(text="text <2>").pk
    for at, expected in ((third, range(4)), ("", range(8, 12)), ("%20", range(8, 12))):
        page = client.get(f"/c/{made.pk}/preview?at={at}").content.decode()
        shown = [n for n in range(12) if f"text &lt;{n}&gt;" in page]
        assert shown == list(expected)
        assert ("preview-at" in page) == (at == third)


def test_nobody_else_finds_or_renames(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, said=SAID)
    for page in ("find", "places?q=ship", "preview"):
        path = f"/c/{made.pk}/{page}"
        assert client_for(acme).get(path).status_code == 302
        assert client_for(acme, "stranger").get(path).status_code == 404
        assert client_for(globex, "member").get(path).status_code == 404
    path = f"/c/{made.pk}/rename"
    with entered(acme.scope):
        owner = person(acme, "member")
        share(user=owner, conversation_id=made.pk, whom=person(acme, "owner").email)
    statuses = [
        client_for(*whom).post(path, {"title": "Mine"}).status_code
        for whom in ((acme,), (acme, "stranger"), (globex, "member"), (acme, "owner"))
    ]
    assert statuses == [302, 404, 404, 403]
    with entered(acme.scope):
        assert Conversation.objects.get(pk=made.pk).title == "A title"


def test_a_conversation_is_renamed_for_good(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme)
    client = client_for(acme, "member")
    for title in ("  Boats\nin\x00 spring " + "x" * 200, "   "):
        answer = client.post(f"/c/{made.pk}/rename", {"title": title})
        assert answer["Location"] == f"/c/{made.pk}"
    with entered(acme.scope):
        row = Conversation.objects.get(pk=made.pk)
    assert row.title.startswith("Boats in spring x")
    assert len(row.title) == 100
    assert row.title_set_at is not None


def test_a_link_to_a_message_shows_as_many_as_it_takes(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, said=("q", "a") * 70)
    with entered(acme.scope):
        old = made.messages.order_by("created_at")[20]
    client = client_for(acme, "member")
    for at, count in ((old.pk, 130), ("no-such-message", 100), ("%20", 100)):
        page = client.get(f"/c/{made.pk}?at={at}").content.decode()
        assert page.count('id="message-') == count
        assert (f'id="message-{old.pk}"' in page) == (count == 130)


def test_a_link_beside_the_branch_offers_that_version(
    acme: Tenant, client_for: ClientFor
) -> None:
    made, other = with_another_version(acme)
    client = client_for(acme, "member")
    page = client.get(f"/c/{made.pk}?at={other.pk}").content.decode()
    assert f'name="branch" value="{other.pk}"' in page
    answer = client.post(f"/c/{made.pk}/acts", {"branch": other.pk})
    assert answer["Location"] == f"/c/{made.pk}?at={other.pk}#message-{other.pk}"
    page = client.get(f"/c/{made.pk}?at={other.pk}").content.decode()
    assert "is in another version" not in page
    for nowhere in ("no-such-message", "%20", "x" * 300):
        page = client.get(f"/c/{made.pk}?at={nowhere}").content.decode()
        assert "is in another version" not in page
