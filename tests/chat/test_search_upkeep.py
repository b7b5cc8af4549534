"""The language of search, its writing anew, retention, and the admin's settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from chat.housekeeping import Housekeeper
from chat.models import ChatSettings, Conversation, Message
from chat.services import indexing, retention
from chat.services.indexing import reindex_some, set_language
from tenants.db import EXPLICIT, PUBLIC, entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.chat.test_search import texts
from tests.clients import TenantClient
from tests.factories import make_provider
from usage.models import UsageRecord

ClientFor = Callable[..., TenantClient]
LONG_AGO = timezone.now() - timedelta(days=31)


def manage(name: str, *arguments: str) -> str:
    said = StringIO()
    with entered(EXPLICIT):
        call_command(name, *arguments, stdout=said)
    return said.getvalue()


def change_settings(client: TenantClient, **fields: object) -> int:
    """The status that the admin's form answers with; 302 is saved."""
    values = {"search_language": "simple", "title_model": ""} | fields
    answer = client.post("/admin/chat/chatsettings/1/change/", values)
    return int(answer.status_code)


def test_a_language_finds_other_forms_of_a_word_when_all_is_written_anew(
    client_for: ClientFor, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "BATCH", 2)
    for tenant in (acme, globex):
        make_conversation(tenant, title="", said=("Deploying", "deployed"))
    member = client_for(acme, "member")
    assert texts(member, '"deploys"') == []
    assert change_settings(client_for(acme, "owner"), search_language="english") == 302
    make_conversation(acme, title="", said=("We deploy",))
    assert texts(member, '"deploys"') == ["We deploy"]
    with entered(acme.scope):
        while reindex_some():
            pass
        assert ChatSettings.current().reindex_from is None
        assert not reindex_some()
    assert set(texts(member, '"deploys"')) == {"Deploying", "deployed", "We deploy"}
    assert texts(client_for(globex, "member"), '"deploys"') == []


def test_stop_words_of_a_language_are_no_words(
    client_for: ClientFor, acme: Tenant
) -> None:
    make_conversation(acme, title="", said=("the harbour",))
    with entered(acme.scope):
        set_language("english")
    manage("reindex_search", "--tenant", "acme")
    member = client_for(acme, "member")
    assert texts(member, "the") == []
    assert texts(member, "the harbours") == ["the harbour"]


def test_an_accent_matters_in_no_language(client_for: ClientFor, acme: Tenant) -> None:
    with entered(acme.scope):
        set_language("french")
    make_conversation(acme, title="", said=("Les étés passés",))
    assert texts(client_for(acme, "member"), "ete passe") == ["Les étés passés"]


def test_a_language_that_postgresql_does_not_know_is_refused(
    client_for: ClientFor, acme: Tenant
) -> None:
    assert change_settings(client_for(acme, "owner"), search_language="elvish") == 200
    with entered(acme.scope):
        with pytest.raises(ValueError, match="elvish"):
            set_language("elvish")
        assert ChatSettings.current().search_language == "simple"


def test_the_settings_are_for_admins(client_for: ClientFor, acme: Tenant) -> None:
    owner = client_for(acme, "owner")
    assert owner.get("/admin/chat/chatsettings/", follow=True).status_code == 200
    assert owner.get("/admin/chat/chatsettings/add/").status_code == 403
    assert change_settings(client_for(acme, "member"), search_language="english") == 302
    with entered(acme.scope):
        assert ChatSettings.current().search_language == "simple"


def test_the_settings_refuse_what_cannot_be(
    client_for: ClientFor, acme: Tenant
) -> None:
    owner = client_for(acme, "owner")
    make_provider(acme, base_url="http://127.0.0.1:9/v1")
    assert change_settings(owner, title_model="standin/some-model") == 302
    for wrong in ("standin/other", "nobody/some-model", "some-model", "\x00"):
        assert change_settings(owner, title_model=wrong) == 200
    for days in ("0", "-1", "36501", "1.5", "x"):
        assert change_settings(owner, purge_archived_after_days=days) == 200
    with entered(acme.scope):
        assert ChatSettings.current().title_model == "standin/some-model"


@pytest.fixture
def changeable(committed: None, acme: Tenant) -> Iterator[None]:
    """The language is no row, which would be restored. And no live server is to write
    anything anew: its housekeeping is for tenants that are not suspended."""
    own = Tenant.objects.filter(pk=acme.pk)
    with entered(PUBLIC):
        own.update(status=Tenant.Status.SUSPENDED)
    yield
    with entered(PUBLIC):
        own.update(status=Tenant.Status.ACTIVE)
    with entered(acme.scope):
        ChatSettings.objects.update(reindex_from=None)
        set_language("simple")


def test_a_change_of_language_loses_no_text_that_is_being_stored(
    changeable: None, acme: Tenant
) -> None:
    """The change waits for a writer that began in the old language."""
    with entered(acme.scope):
        made = make_conversation(acme, said=("start",))
        written, done = threading.Event(), threading.Event()

        def change() -> None:
            with entered(acme.scope):
                written.wait(10)
                set_language("english")
                done.set()
                while reindex_some():
                    pass
            connection.close()

        changing = threading.Thread(target=change)
        changing.start()

        with transaction.atomic():
            Message.objects.create(conversation=made, role="user", text="Deployments")
            written.set()
            assert not done.wait(0.3)
        changing.join(20)
        assert done.is_set()
        with connection.cursor() as cursor:
            cursor.execute("SELECT text_search::text FROM chat_message ORDER BY id")
            assert "'deploy':1" in {row[0] for row in cursor.fetchall()}


def test_a_title_that_was_locked_is_written_anew_when_it_is_free(
    changeable: None, acme: Tenant
) -> None:
    """A turn that starts locks the row and leaves the title as it is."""
    made = make_conversation(acme, title="Deployments", said=())
    locked, free = threading.Event(), threading.Event()

    def hold() -> None:
        with entered(acme.scope), transaction.atomic():
            Conversation.objects.select_for_update().get(pk=made.pk)
            locked.set()
            free.wait(10)
        connection.close()

    with entered(acme.scope):
        set_language("english")
        holding = threading.Thread(target=hold)
        holding.start()
        assert locked.wait(10)
        assert not reindex_some()
        free.set()
        holding.join(10)
        while reindex_some():
            pass
        with connection.cursor() as cursor:
            cursor.execute("SELECT title_search::text FROM chat_conversation")
            assert cursor.fetchall() == [("'deploy':1",)]


def test_a_language_changed_again_waits_for_what_is_written_anew(
    changeable: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would have waited for the other."""
    make_conversation(acme, title="Deployments", said=())
    touch, changes = indexing._touch, list[threading.Thread]()

    def change() -> None:
        with entered(acme.scope):
            set_language("german")
        connection.close()

    def touch_later(*args: Any) -> list[str]:
        changes.append(threading.Thread(target=change))
        changes[-1].start()
        changes[-1].join(0.5)  # until it waits
        return touch(*args)

    with entered(acme.scope):
        set_language("english")
        monkeypatch.setattr(indexing, "_touch", touch_later)
        assert reindex_some()
        changes[0].join(20)
        settings = ChatSettings.current()
        assert settings.search_language == "german"
        assert settings.reindex_from == "chat_conversation/"


def archived(tenant: Tenant, at: datetime = LONG_AGO) -> str:
    return make_conversation(tenant, archived_at=at).pk


def left(tenant: Tenant) -> set[str]:
    with entered(tenant.scope):
        return set(Conversation.objects.values_list("pk", flat=True))


def keep_for(tenant: Tenant, days: int | None) -> None:
    with entered(tenant.scope):
        ChatSettings.objects.update(purge_archived_after_days=days)


def test_only_what_was_archived_too_long_ago_is_removed(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    keep_for(acme, 30)
    archived(acme)
    kept = {
        archived(acme, timezone.now() - timedelta(days=29)),
        make_conversation(acme, last_message_at=LONG_AGO).pk,
    }
    others = {archived(globex)}
    assert manage("purge_archived") == "1 archived conversations removed.\n"
    assert manage("purge_archived") == "0 archived conversations removed.\n"
    assert (left(acme), left(globex)) == (kept, others)
    with entered(acme.scope):
        assert not Message.objects.exclude(conversation__in=kept).exists()


def test_a_tenant_of_ones_own_and_a_suspended_one(
    db: None, acme: Tenant, globex: Tenant
) -> None:
    for tenant in (acme, globex):
        keep_for(tenant, 30)
    mine, theirs = {archived(acme)}, {archived(globex)}
    with entered(PUBLIC):
        Tenant.objects.filter(slug="acme").update(status=Tenant.Status.SUSPENDED)
    manage("purge_archived")
    assert (left(acme), left(globex)) == (mine, set())
    manage("purge_archived", "--tenant", "acme")
    assert left(acme) == set() != theirs
    with pytest.raises(CommandError, match="no tenant"):
        manage("purge_archived", "--tenant", "nobody")


def test_what_is_restored_at_the_last_moment_stays(
    db: None, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_for(acme, 30)
    chosen = archived(acme)
    purge = retention._purge

    def restore_first(conversation_id: str, days: int) -> bool:
        Conversation.objects.get(pk=conversation_id).restore()
        return purge(conversation_id, days)

    monkeypatch.setattr(retention, "_purge", restore_first)
    with entered(acme.scope):
        assert retention.purge_some() == 0
    assert left(acme) == {chosen}


def test_the_server_does_it_by_itself(client_for: ClientFor, acme: Tenant) -> None:

    keep_for(acme, 30)
    archived(acme)
    make_conversation(acme, title="", said=("Deployments",))
    with entered(acme.scope):
        set_language("english")
        before = UsageRecord.objects.count()
    async_to_sync(Housekeeper()._round)(purge=True)
    assert len(left(acme)) == 1
    assert texts(client_for(acme, "member"), "deploy") == ["Deployments"]
    with entered(acme.scope):
        assert UsageRecord.objects.count() == before
