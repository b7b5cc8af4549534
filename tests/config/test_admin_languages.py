"""Every page of both admins in German and Hebrew: what says the same as in English, and
is no name of something, was forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.db.models import Model

from accounts.models import ApiKey, User
from accounts.services import create_api_key
from agents.models import Agent, Provider
from agents.services import create_agent, create_mcp_server
from chat.services.sharing import share
from tenants.admin import platform_site
from tenants.db import PUBLIC, entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.clients import TenantClient
from tests.factories import make_provider, person
from tests.usage.test_api import use
from usage.models import Budget, PriceRule, UsageSettings
from usage.services.budgets import save_budget
from usage.services.settings import save_settings

ClientFor = Callable[..., TenantClient]
BESIDE = {
    Agent: ("revisions/", "try/", "history/"),
    Provider: ("models/", "keys/", "check/"),
    User: ("password/",),
}
# Names of what the fixture makes and of others, which no language changes.
NAMES = {
    *("parley", "acme", "globex", "assistant", "parrot", "docs", "standin", "test"),
    *("local", "esc", "utc", "usd", "json", "api", "mcp", "url"),
}
# What German shares with English.
GERMAN = {
    *("name", "agent", "person", "budget", "budgets", "tokens", "problem", "admin"),
    *("april", "august", "september", "november"),
}
VOID = {"input", "br", "img", "hr", "link", "meta"}
SILENT = {"script", "style", "template", "datalist"}
# Their choices are names: of zones, of providers, of words that models take.
CHOICES = re.compile(
    "time_zone|kind|search_language|reasoning_effort|verbosity|message_id|color"
)


class _Reader(HTMLParser):
    """What a person reads or hears of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        icon = "material-symbols-outlined" in given.get("class", "")
        named = tag == "select" and CHOICES.search(given.get("name", ""))
        silent = self._silent or tag in SILENT or icon or named
        if silent and tag not in VOID:
            self._silent.append(tag)
        shown = ("title", "placeholder", "alt", "aria-label")
        self.found |= {given[name] for name in shown if name in given}

    def handle_endtag(self, tag: str) -> None:
        if self._silent and self._silent[-1] == tag:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.found.add(" ".join(data.split()))


def _words(text: str) -> set[str]:
    """Without addresses, ids and other things that are made of more than letters."""
    tokens = (token.strip("()[]{}.,:;…„“”\"'!?|·→") for token in text.split())
    return {t.casefold() for t in tokens if re.fullmatch(r"[A-Za-z][A-Za-z-]+", t)}


@pytest.fixture
def filled(db: None, acme: Tenant) -> Tenant:
    """A row in every list."""
    make_provider(acme, base_url="http://127.0.0.1:9", models=("gpt-4o",))
    owner = person(acme, "owner")
    use(acme, "owner", "turn-1", status="failed", model="standin/gpt-4o")
    conversation = make_conversation(acme, "owner", title="")
    with entered(acme.scope):
        create_api_key(user=owner, name="test")
        create_agent(slug="parrot", name="Parrot", model="standin/gpt-4o")
        create_mcp_server(name="docs", url="http://127.0.0.1:9/mcp")
        PriceRule.objects.create(
            model="standin/*", input_per_million=1, output_per_million=Decimal("2.5")
        )
        save_budget(budget=Budget(scope="tenant", period="day", limit_tokens=9))
        save_settings(settings=UsageSettings())
        share(user=owner, conversation_id=conversation.pk, whom="tenant", role="viewer")
    return acme


def _pages(site: admin.AdminSite, scope: object) -> Iterator[str]:
    yield "/admin/"
    for model, shown in site._registry.items():
        label = f"/admin/{model._meta.label_lower.replace('.', '/')}/"
        yield label
        if model not in {ApiKey} and shown.__class__.__name__ != "ReadOnlyAdmin":
            yield f"{label}add/"
        with entered(scope):  # type: ignore[arg-type]  # a scope of either kind
            # The first provider is this server's own, which needs no network.
            order = "pk" if model is Provider else "-pk"
            row: Model | None = model._default_manager.order_by(order).first()
        assert row is not None, f"no row of {label}"
        for end in ("change/", "delete/", *BESIDE.get(model, ())):
            yield f"{label}{row.pk}/{end}"


def _read(client: TenantClient, path: str, language: str) -> set[str]:
    answer = client.get(path, headers={"accept-language": language}, follow=True)
    reader = _Reader()
    reader.feed(answer.content.decode())
    return reader.found


def test_no_page_of_the_admin_speaks_english_to_who_reads_another_language(
    filled: Tenant, client_for: ClientFor
) -> None:
    with entered(PUBLIC):
        root = User.objects.create_user("root@platform.test", role="owner")
        platform = client_for(None)
        platform.force_login(root)
    owner = client_for(filled, "owner")
    tenants = [*_pages(admin.site, filled.scope), "/admin/month"]
    platforms = [*_pages(platform_site, PUBLIC), "/admin/usage"]
    forgotten: dict[str, str] = {}
    for client, paths in ((owner, tenants), (platform, platforms)):
        for path in paths:
            english = _read(client, path, "en")
            for language, known in (("he", NAMES), ("de", NAMES | GERMAN)):
                for text in english & _read(client, path, language):
                    if _words(text) - known:
                        forgotten[text] = f"{language} {path}"
    told = sorted(f"{path}: {text}" for text, path in forgotten.items())
    assert not told, "\n".join(told)
