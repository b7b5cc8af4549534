"""What a person typed into the search field, as a tsquery and as words to mark.

The syntax is that of web search engines: words, "a phrase", -without, this or that. Not
PostgreSQL's websearch_to_tsquery, which knows no beginnings of words and no scripts
without spaces.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _

from chat.search.letters import DENSE_RUN, fold

_TERM = re.compile(r'(?P<no>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
# The last word may not be typed to its end; shorter beginnings are in every text.
_BEGINNING = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    quoted: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A search in the language of the tenant in force.

    `tsquery` is empty where nothing in it is a word. `plain` is what was typed, if it
    uses no syntax. `marks` are folded beginnings of words (chat.search.snippets), and
    runs of dense script. `pairs` of short words, as the migration "search_pending"
    numbers them, are in every text that is found; there may be none.
    """

    tsquery: str
    plain: str
    marks: list[str]
    pairs: list[int]


def parse(typed: str) -> list[list[Term]]:
    """Alternatives, each of terms that all have to be there."""
    groups: list[list[Term]] = [[]]
    for found in _TERM.finditer(typed):
        quoted = found["phrase"] is not None
        text = (found["phrase"] if quoted else found["word"]).strip()
        if not quoted and not found["no"] and text.lower() == "or":
            groups.append([])
        elif text:
            groups[-1].append(Term(text, quoted, bool(found["no"])))
    return [group for group in groups if group]


def understand(typed: str) -> Search:
    """Raises ValidationError where only words to leave out are given."""
    groups = parse(typed)
    if not groups or any(all(term.negated for term in group) for group in groups):
        raise ValidationError({"q": [_("Give at least one word to look for.")]})
    has_syntax = len(groups) > 1 or any(t.quoted or t.negated for t in groups[0])
    sql, values = _tsquery(groups)
    words = _words(groups)
    with connection.cursor() as cursor:
        # In one round trip: the query, each word's forms in the index, and the pairs.
        cursor.execute(
            f"SELECT ({sql})::text, (SELECT coalesce(json_agg(tsvector_to_array("  # noqa: S608  # built of constants
            "to_tsvector('chat_search', word)) ORDER BY number), '[]')::text"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS w(word, number)),"
            " (SELECT coalesce(array_agg(pair), '{}') FROM unnest(%s::text[]) AS ph,"
            " unnest(chat_pairs(to_tsvector('chat_search', ph))) AS pair)",
            [*values, words, _phrases(groups)],
        )
        tsquery, forms, pairs = cursor.fetchone()
    runs = [run for t in _wanted(groups) for run in DENSE_RUN.findall(t.text)]
    return Search(
        tsquery=tsquery,
        plain="" if has_syntax else typed.strip(),
        marks=[*_beginnings(words, json.loads(forms)), *runs],
        pairs=pairs,
    )


def _wanted(groups: list[list[Term]]) -> list[Term]:
    return [term for group in groups for term in group if not term.negated]


def _tsquery(groups: list[list[Term]]) -> tuple[str, list[str]]:
    """An SQL expression and its values."""
    alternatives: list[str] = []
    values: list[str] = []
    for group in groups:
        parts: list[str] = []
        for term in group:
            last = term is groups[-1][-1]
            sql, needed = _term(term, may_go_on=last)
            parts.append(f"!!({sql})" if term.negated else f"({sql})")
            values += needed
        alternatives.append(f"({' && '.join(parts)})")
    return " || ".join(alternatives), values


def _term(term: Term, *, may_go_on: bool) -> tuple[str, list[str]]:
    if DENSE_RUN.search(term.text):
        return _dense(term.text)
    if term.quoted:
        return "phraseto_tsquery('chat_search', %s)", [term.text]
    sql, values = "plainto_tsquery('chat_search', %s)", [term.text]
    if may_go_on and not term.negated and _BEGINNING.fullmatch(term.text):
        sql += " || to_tsquery('chat_search', %s)"
        values.append(f"'{term.text}':*")
    return sql, values


def _dense(text: str) -> tuple[str, list[str]]:
    """All pairs of neighbours, wherever they stand; a single one begins some pair."""
    parts, values = ["plainto_tsquery('chat_search', %s)"], [DENSE_RUN.sub(" ", text)]
    for run in DENSE_RUN.findall(text):
        if len(run) == 1:
            parts.append("to_tsquery('chat_search', %s)")
            values.append(f"'{run}':*")
        else:
            pairs = (run[at : at + 2] for at in range(len(run) - 1))
            parts.append("plainto_tsquery('chat_search', %s)")
            values.append(" ".join(pairs))
    return " && ".join(parts), values


def _phrases(groups: list[list[Term]]) -> list[str]:
    """Those that have to be there, whatever else is; runs of dense script are looked up
    by pairs of their own."""
    if len(groups) > 1:
        return []
    phrases = (term for term in _wanted(groups) if term.quoted)
    return [term.text for term in phrases if not DENSE_RUN.search(term.text)]


def _words(groups: list[list[Term]]) -> list[str]:
    return [
        word
        for term in _wanted(groups)
        for word in re.findall(r"\w+", DENSE_RUN.sub(" ", term.text))
    ]


def _beginnings(words: list[str], forms: list[list[str] | None]) -> list[str]:
    """What a word and its form in the index begin with alike: “happ” of happy and
    happi. Nothing for words that are not indexed."""
    marks: list[str] = []
    for word, found in zip(words, forms, strict=True):
        for form in found or []:
            plain = fold(word)
            same = 0
            while same < min(len(plain), len(form)) and plain[same] == form[same]:
                same += 1
            marks.append(plain[:same] if same >= min(3, len(plain)) else form)
    return marks
