"""The catalogues in locale/ against the texts of the code: whoever writes a text that
people read is told to run `make messages` and to translate it."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.utils import translation
from django.utils.translation.template import templatize

from accounts.models import User
from config.modelnames import NAMES
from tenants.admin import platform_site
from tenants.models import Domain

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
PACKAGES = (
    "config",
    "chat",
    "usage",
    "agents",
    "printing",
    "accounts",
    "tenants",
    "llm",
)
# Django's lazy ones and what templatize makes of tags.
_KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "ngettext_lazy": (1, 2),
    "gettext_noop": None,
}
_PLACE = re.compile(r"%\(\w+\)[sd]|<[^>]+>")


def _catalogue(language: str) -> Catalog:
    with (ROOT / f"locale/{language}/LC_MESSAGES/django.po").open("rb") as file:
        return read_po(file, language)


def _sources(*folders: Path) -> Iterator[str]:
    for folder in folders:
        for path in folder.rglob("*.py"):
            yield path.read_text()
        yield from _templates(folder)


def _templates(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.html"):
        # In parentheses its indentation means nothing to the tokenizer.
        yield f"({templatize(path.read_text(), origin=str(path))}\n)"


@lru_cache
def _texts() -> frozenset[tuple[str | None, str]]:
    """Every text in the code that is marked for translation, with its context."""
    folders = (ROOT / name for name in (*PACKAGES, "templates"))
    found = _extracted(_sources(*folders))
    return frozenset((context, forms[0]) for context, forms in found)


def _extracted(sources: Iterable[str]) -> Iterator[tuple[str | None, tuple[str, ...]]]:
    for source in sources:
        file = io.BytesIO(source.encode())
        for _, said, _, context in extract("python", file, _KEYWORDS):
            forms = (said,) if isinstance(said, str) else tuple(filter(None, said))
            if forms and forms[0]:
                yield context, forms


def _messages(language: str) -> list[Any]:
    return [message for message in _catalogue(language) if message.id]


def _forms(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_stands_in_the_catalogue(language: str) -> None:
    known = {(m.context, _forms(m.id)[0]) for m in _messages(language)}
    assert len(_texts()) > 100
    assert _texts() - known == set(), "run `make messages`"
    assert known - _texts() == set(), "run `make messages`"


def test_every_name_in_the_admin_is_marked_and_nothing_else() -> None:
    import_module(settings.ROOT_URLCONF)
    found: set[str] = set()
    shown: list[type[Model]] = [*admin.site._registry, *platform_site._registry, Domain]
    ours = [m for m in shown if m.__module__.split(".")[0] in PACKAGES]
    with translation.override("en"):
        for meta in (model._meta for model in ours):
            fields = (*meta.fields, *meta.many_to_many)
            found |= {str(field.verbose_name) for field in fields}
            found |= {str(meta.verbose_name), str(meta.verbose_name_plural)}
    unmarked = found - {text for _, text in _texts()}
    assert unmarked == {"last login", "password"}, "all but Django's own are marked"
    assert set(NAMES) - found == set()
    with translation.override("de"):
        assert str(User._meta.verbose_name_plural) == "Menschen"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_with_all_its_parts(language: str) -> None:
    for message in _messages(language):
        assert not message.fuzzy, message.id
        parts = set(_PLACE.findall(_forms(message.id)[-1]))
        *special, last = _forms(message.string)
        assert set(_PLACE.findall(last)) == parts, message.id
        for form in special:  # "one conversation" needs no figure
            assert form and set(_PLACE.findall(form)) <= parts, message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_catalogue_is_of_the_same_texts(language: str) -> None:
    with (ROOT / f"locale/{language}/LC_MESSAGES/django.mo").open("rb") as file:
        compiled: dict[Any, str] = vars(gettext.GNUTranslations(file))["_catalog"]
    written: dict[Any, str] = {}
    for message in _messages(language):
        key = f"{message.context}\x04" if message.context else ""
        key += _forms(message.id)[0]
        plural = not isinstance(message.id, str)
        for number, form in enumerate(_forms(message.string)):
            written[(key, number) if plural else key] = form
    assert {key: text for key, text in compiled.items() if key} == written


def _as_shown(forms: tuple[str, ...]) -> str:
    """Of three, where it counts."""
    if len(forms) == 1:
        return translation.gettext(forms[0])
    return translation.ngettext(forms[0], forms[1], 3)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_unfold_says_is_translated(language: str) -> None:
    """By Django's catalogues or by ours, for which config/admintexts.py marks it."""
    package = Path(unfold.__file__).parent
    parts = ("templates/admin", "templates/unfold", "templates/registration")
    said = {forms for _, forms in _extracted(_sources(*(package / p for p in parts)))}
    assert len(said) > 100
    with translation.override(language):
        unknown = [forms for forms in said if _as_shown(forms) in forms]
    # Of a template that ours stands before.
    replaced = {"No results found", "This page yielded into no results"}
    left = [f for f in unknown if not any(f[0].startswith(r) for r in replaced)]
    assert left == [], "mark it in config/admintexts.py"
