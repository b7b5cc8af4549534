"""How the admin looks: its colours, which are the chat page's, and its sidebar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

# Shades of the accent of static/css/base.css.
PRIMARY = {
    "50": "#f1f7f5",
    "100": "#dcece6",
    "200": "#bbdacf",
    "300": "#93cbb8",
    "400": "#63a892",
    "500": "#438a75",
    "600": "#2c5c4e",
    "700": "#264f43",
    "800": "#214036",
    "900": "#1d352e",
    "950": "#0f1f1a",
}


def _icon(request: HttpRequest) -> str:
    return static("icon.svg")


def own_style(request: HttpRequest) -> str:
    return static("css/admin.css")


FAVICON = {"rel": "icon", "type": "image/svg+xml", "href": _icon}
# Model, title and icon (Material Symbols) in the order of setting up a workspace.
_PAGES = {
    gettext_noop("Answers"): [
        ("agents_agent", gettext_noop("Agents"), "smart_toy"),
        ("agents_provider", gettext_noop("Providers"), "hub"),
        ("agents_mcpserver", gettext_noop("MCP servers"), "build"),
    ],
    gettext_noop("People"): [
        ("accounts_user", gettext_noop("People"), "group"),
        ("accounts_apikey", gettext_noop("API keys"), "key"),
    ],
    gettext_noop("Usage"): [
        ("usage_budget", gettext_noop("Budgets"), "savings"),
        ("usage_pricerule", gettext_noop("Prices"), "sell"),
        ("usage_dailyusage", gettext_noop("Usage by day"), "bar_chart"),
        ("usage_usagerecord", gettext_noop("Usage records"), "monitoring"),
        ("usage_usagesettings", gettext_noop("Limits and warnings"), "tune"),
    ],
    gettext_noop("Workspace"): [
        ("chat_chatsettings", gettext_noop("Chat settings"), "settings"),
        ("chat_shareevent", gettext_noop("Sharing log"), "share"),
    ],
}


_PLATFORM_PAGES = {
    gettext_noop("Platform"): [
        ("tenants_tenant", gettext_noop("Tenants"), "domain"),
        ("accounts_user", gettext_noop("Administrators"), "shield_person"),
    ]
}


def tenant_sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    start = {
        "title": gettext("Today"),
        "icon": "dashboard",
        "link": reverse("admin:index"),
    }
    month = {
        "title": gettext("Usage by month"),
        "icon": "calendar_month",
        "link": reverse("usage-by-month"),
    }
    return [{"items": [start, month]}, *_groups("admin", _PAGES)]


def platform_sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    usage = {
        "title": gettext("Usage by tenant"),
        "icon": "bar_chart",
        "link": reverse("platform-usage"),
    }
    tenants, *others = _groups("platform", _PLATFORM_PAGES)
    return [{**tenants, "items": [*tenants["items"], usage]}, *others]


def _groups(
    site: str, pages: Mapping[str, list[tuple[str, str, str]]]
) -> list[dict[str, Any]]:
    return [
        {
            "title": gettext(title),
            "separator": True,
            "items": [
                {
                    "title": gettext(name),
                    "icon": icon,
                    "link": reverse(f"{site}:{model}_changelist"),
                }
                for model, name, icon in items
            ],
        }
        for title, items in pages.items()
    ]
