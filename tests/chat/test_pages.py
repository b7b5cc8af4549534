"""The pages as the server sends them; what scripts make of them is in tests/browser."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.utils import timezone

from agents.models import Agent
from chat.models import Conversation, Message, Turn
from chat.services.starting import start_turn
from chat.showing import Transcript, transcript
from chat.turns.plan import Send
from chat.views import pages
from tenants.db import entered
from tenants.models import Tenant
from tests.clients import TenantClient
from tests.factories import person, point_agent
from tests.servers import LiveServer, session_cookie

ClientFor = Callable[..., TenantClient]


def make_conversation(
    tenant: Tenant, name: str = "member", *, title: str = "Plans", replies: int = 1
) -> Conversation:
    """A conversation of one of the cast, with questions "q0" … and replies "*r0*" …"""
    owner = person(tenant, name)
    with entered(tenant.scope):
        agent = Agent.objects.get(slug="assistant")
        made = Conversation.objects.create(owner=owner, agent=agent, title=title)
        parent = None
        for number in range(replies):
            question = Message.objects.create(
                conversation=made, parent=parent, role="user", text=f"q{number}"
            )
            parent = Message.objects.create(
                conversation=made,
                parent=question,
                role="assistant",
                text=f"*r{number}*",
            )
        made.active_leaf = parent
        made.save()
    return made


def change(tenant: Tenant, message: Message | None, **values: object) -> None:
    assert message is not None
    with entered(tenant.scope):
        Message.objects.filter(pk=message.pk).update(**values)


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_nul_is_refused_and_the_text_kept(
    acme: Tenant, client_for: ClientFor, old: bool
) -> None:
    path = f"/c/{make_conversation(acme).pk}" if old else "/"
    answer = client_for(acme, "member").post(path, {"message": "How\x00ever\r\nso"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "contains a NUL character" in page
    assert ">However\nso</textarea>" in page


def test_the_message_field_names_the_person(
    acme: Tenant, client_for: ClientFor
) -> None:
    """Drafts in the browser are kept under that name."""
    page = client_for(acme, "member").get("/").content.decode()
    assert f'data-composer="{person(acme, "member").pk}"' in page


@pytest.mark.parametrize("path", ["/", "/c/some-conversation"])
def test_nobody_is_sent_to_sign_in(
    acme: Tenant, client_for: ClientFor, path: str
) -> None:
    answer = client_for(acme).get(path)
    assert answer.status_code == 302
    assert answer["Location"] == f"/accounts/login/?next={path}"


def test_the_first_page_offers_the_default_agent(
    acme: Tenant, client_for: ClientFor
) -> None:
    answer = client_for(acme, "member").get("/")
    assert answer.status_code == 200
    assert '<p class="agent-name">Assistant</p>' in answer.content.decode()


def test_a_conversation_shows_its_messages(acme: Tenant, client_for: ClientFor) -> None:
    made = make_conversation(acme)
    page = client_for(acme, "member").get(f"/c/{made.pk}").content.decode()
    assert '<div class="bubble" data-text dir="auto">q0</div>' in page
    assert "<p><em>r0</em></p>" in page
    link = (
        f'<a href="/c/{made.pk}" aria-current="page"><span dir="auto">Plans</span></a>'
    )
    assert link in page


@pytest.mark.parametrize(
    ("method", "action"), [("get", ""), ("post", "/stop"), ("post", "/archive")]
)
def test_a_strangers_conversation_does_not_exist(
    acme: Tenant, client_for: ClientFor, method: str, action: str
) -> None:
    made = make_conversation(acme)
    client = client_for(acme, "stranger")
    assert getattr(client, method)(f"/c/{made.pk}{action}").status_code == 404
    with entered(acme.scope):
        assert Conversation.objects.get(pk=made.pk).archived_at is None


def test_another_tenants_conversation_does_not_exist(
    acme: Tenant, globex: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme)
    assert client_for(globex, "member").get(f"/c/{made.pk}").status_code == 404


def test_a_form_without_its_token_is_refused(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme)
    client = client_for(acme, "member", enforce_csrf_checks=True)
    answer = client.post(f"/c/{made.pk}/archive")
    assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()


def test_archiving_takes_a_conversation_off_the_list(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, title="Old plans")
    client = client_for(acme, "member")
    assert client.post(f"/c/{made.pk}/archive")["Location"] == "/"
    assert "Old plans" not in client.get("/").content.decode()
    assert "Old plans" in client.get(f"/c/{made.pk}").content.decode()


def test_the_list_is_newest_first_and_goes_on_below(
    acme: Tenant, client_for: ClientFor
) -> None:
    now = timezone.now()
    for number in range(35):
        made = make_conversation(acme, title=f"no {number}.", replies=0)
        with entered(acme.scope):
            made.last_message_at = now - timedelta(minutes=number // 2)
            made.save()
    client = client_for(acme, "member")
    first = client.get("/").content.decode()
    assert first.index("no 2.") < first.index("no 25.")
    older = first.partition('href="?before=')[2].partition('"')[0]
    second = client.get("/", {"before": older}).content.decode()
    titles = {f"no {number}." for number in range(35)}
    seen = [{title for title in titles if title in page} for page in (first, second)]
    assert (len(seen[0]), len(seen[1])) == (30, 5)
    assert seen[0] | seen[1] == titles
    assert "Show older" not in second


def test_a_long_conversation_opens_at_its_end(
    acme: Tenant, client_for: ClientFor
) -> None:
    made = make_conversation(acme, replies=60)
    client = client_for(acme, "member")
    page = client.get(f"/c/{made.pk}").content.decode()
    assert ">q59<" in page
    assert ">q9<" not in page
    assert f'href="/c/{made.pk}?messages=200"' in page
    page = client.get(f"/c/{made.pk}?messages=200").content.decode()
    assert page.index(">q0<") < page.index(">q59<")
    assert "Show earlier" not in page


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"status": "stopped"}, "<strong>Stopped.</strong> This reply is"),
        ({"status": "interrupted"}, "The server was restarted while it wrote"),
        (
            {"status": "failed", "error_code": "provider_timeout"},
            "<strong>Timed out.</strong> The provider took too long to answer; try",
        ),
        (
            {"status": "failed", "error_code": "internal_error"},
            "<strong>Failed.</strong> Something went wrong here",
        ),
        ({"finish_reason": "length"}, "<strong>Cut off.</strong> The reply reached"),
        ({"finish_reason": "content-filter"}, "<strong>Withheld.</strong>"),
        (
            {"status": "failed", "error_code": "budget_exceeded"},
            "<strong>Budget used up.</strong>",
        ),
        ({"total_tokens": 1234}, ">1,234 tokens<"),
        ({"total_tokens": 9, "estimated": True}, ">about 9 tokens<"),
        ({"total_tokens": 9, "cost": Decimal("0.00123")}, ">9 tokens · $0.0012<"),
        ({"parts": [{"type": "reasoning", "text": "<i>Hm"}]}, ">&lt;i&gt;Hm</div>"),
    ],
)
def test_a_reply_says_how_it_ended_and_what_it_took(
    acme: Tenant, client_for: ClientFor, values: dict[str, object], shown: str
) -> None:
    made = make_conversation(acme)
    change(acme, made.active_leaf, **values)
    page = client_for(acme, "member").get(f"/c/{made.pk}").content.decode()
    before_templates = page.partition("<template")[0]
    assert shown in before_templates


def test_a_reply_that_ends_while_its_page_is_made_is_loaded_again(
    acme: Tenant, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the page without scripts, which shows it as it was before the end."""
    point_agent(acme, "http://127.0.0.1:9")
    with entered(acme.scope):
        plan = start_turn(user=person(acme, "member"), send=Send(text="Hello"))

    def ended_meanwhile(*asked: Any, **named: Any) -> Transcript:
        shown = transcript(*asked, **named)
        list(shown.rows)
        Turn.objects.update(status="done")
        return shown

    monkeypatch.setattr(pages, "transcript", ended_meanwhile)
    member = client_for(acme, "member")
    shown = member.get(f"/c/{plan.conversation_id}").content.decode()
    assert 'http-equiv="refresh"' in shown


def test_a_plain_end_carries_no_mark(acme: Tenant, client_for: ClientFor) -> None:
    made = make_conversation(acme)
    page = client_for(acme, "member").get(f"/c/{made.pk}").content.decode()
    assert 'class="mark' not in page.partition("<template")[0]


def send(client: httpx.Client, path: str, text: str) -> httpx.Response:
    """Sends the form as a browser without scripts does."""
    token = client.get("/").text.partition('name="csrfmiddlewaretoken" value="')[2][:64]
    return client.post(path, data={"message": text, "csrfmiddlewaretoken": token})


# On a server, because a turn starts in its event loop.
def test_a_refused_message_comes_back_with_the_reason(
    server: LiveServer, acme: Tenant
) -> None:
    made = make_conversation(acme)
    with server.client(acme, cookies=session_cookie(acme, "member")) as client:
        answer = send(client, f"/c/{made.pk}", " \n ")
        assert answer.status_code == 400
        assert "The message is empty." in answer.text
        long = "x" * 70_000
        answer = send(client, "/", long)
        assert answer.status_code == 413
        assert long in answer.text


def test_nothing_can_be_sent_into_a_strangers_conversation(
    server: LiveServer, acme: Tenant
) -> None:
    made = make_conversation(acme)
    with server.client(acme, cookies=session_cookie(acme, "stranger")) as client:
        assert send(client, f"/c/{made.pk}", "hi").status_code == 404
    with entered(acme.scope):
        assert made.messages.count() == 2


@pytest.mark.parametrize(
    "query", ["?before=nobody-knows-it", "?messages=-1", "?messages=٣"]
)
def test_odd_queries_are_ignored(
    acme: Tenant, client_for: ClientFor, query: str
) -> None:
    made = make_conversation(acme)
    client = client_for(acme, "member")
    assert ">q0<" in client.get(f"/c/{made.pk}{query}").content.decode()


def test_the_page_allows_no_inline_code(acme: Tenant, client_for: ClientFor) -> None:
    made = make_conversation(acme)
    answer = client_for(acme, "member").get(f"/c/{made.pk}")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.content.decode()
    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script type="module" src=')


@pytest.mark.parametrize(
    "path",
    ["/accounts/login/", "/accounts/password/reset/", "/accounts/signup/"],
)
def test_nobodys_account_pages_are_whole(
    acme: Tenant, client_for: ClientFor, path: str
) -> None:
    answer = client_for(acme).get(path)
    assert answer.status_code == 200
    assert "css/base.css" in answer.content.decode()


@pytest.mark.parametrize("path", ["/accounts/password/change/", "/accounts/logout/"])
def test_a_persons_account_pages_are_whole(
    acme: Tenant, client_for: ClientFor, path: str
) -> None:
    answer = client_for(acme, "member").get(path)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "/styles/pages-" in page
    assert '<nav class="settings-nav"' in page


def test_the_platforms_host_says_what_it_is(client_for: ClientFor) -> None:
    answer = client_for(None).get("/")
    assert answer.status_code == 200
    assert 'href="/admin/"' in answer.content.decode()


@pytest.mark.parametrize("path", ["/", "/conversations"])
def test_a_pages_styles_come_as_one_file_that_may_be_kept(
    acme: Tenant, client_for: ClientFor, path: str
) -> None:
    client = client_for(acme, "member")
    page = client.get(path).content.decode()
    assert page.count('rel="stylesheet"') == 1
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    answer = client_for(acme).get(address)
    assert answer["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in answer["Cache-Control"]
    assert b"--accent:" in answer.content and b".sidebar {" in answer.content
    packed = client.get(address, headers={"accept-encoding": "gzip, br"})
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == answer.content
    assert client.get("/styles/other-0123456789ab.css").status_code == 404
