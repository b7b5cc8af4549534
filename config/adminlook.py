"""How the admin looks: its colours, which are the chat page's, and its sidebar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse

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


FAVICON = {"rel": "icon", "type": "image/svg+xml", "href": _icon}
# Model, title and icon (Material Symbols) in the order of setting up a workspace.
_PAGES = {
    "Answers": [
        ("agents_agent", "Agents", "smart_toy"),
        ("agents_provider", "Providers", "hub"),
        ("agents_mcpserver", "MCP servers", "build"),
    ],
    "People": [
        ("accounts_user", "People", "group"),
        ("accounts_apikey", "API keys", "key"),
    ],
    "Usage": [
        ("usage_budget", "Budgets", "savings"),
        ("usage_pricerule", "Prices", "sell"),
        ("usage_dailyusage", "Usage by day", "bar_chart"),
        ("usage_usagerecord", "Usage records", "monitoring"),
        ("usage_usagesettings", "Limits and warnings", "tune"),
    ],
    "Workspace": [
        ("chat_chatsettings", "Chat settings", "settings"),
        ("chat_shareevent", "Sharing log", "share"),
    ],
}


_PLATFORM_PAGES = {
    "Platform": [
        ("tenants_tenant", "Tenants", "domain"),
        ("accounts_user", "Administrators", "shield_person"),
    ]
}


def tenant_sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    start = {"title": "Today", "icon": "dashboard", "link": reverse("admin:index")}
    month = {
        "title": "Usage by month",
        "icon": "calendar_month",
        "link": reverse("usage-by-month"),
    }
    return [{"items": [start, month]}, *_groups("admin", _PAGES)]


def platform_sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    usage = {
        "title": "Usage by tenant",
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
            "title": title,
            "separator": True,
            "items": [
                {
                    "title": name,
                    "icon": icon,
                    "link": reverse(f"{site}:{model}_changelist"),
                }
                for model, name, icon in items
            ],
        }
        for title, items in pages.items()
    ]
