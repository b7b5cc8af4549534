"""The documents against the code they describe: error codes, the environment, links,
file names and make targets. Whoever changes one side is told about the other."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from accounts.errors import APIError
from llm.errors import LLMError

ROOT = Path(__file__).resolve().parents[1]
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
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# The launcher tells its children by this that the database is the embedded one; a
# person has nothing to set here.
INTERNAL = {"DATABASE_EMBEDDED"}


@lru_cache
def _source() -> list[ast.Module]:
    return [
        ast.parse(path.read_text())
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def _nodes() -> Iterator[ast.AST]:
    for tree in _source():
        yield from ast.walk(tree)


def _text(node: ast.AST | None) -> str:
    """The value of a literal text, else empty."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


# ------------------------------------------------------------------------ error codes


class Row(NamedTuple):
    """A line of a table in docs/errors.md."""

    status: str
    sentence: str


def _table() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for line in (ROOT / "docs/errors.md").read_text().splitlines():
        if found := re.match(r"\| `(\w+)` \|", line):
            _, _, status, _, sentence, _, _ = map(str.strip, line.split("|"))
            assert found[1] not in rows, f"{found[1]} stands in the table twice"
            rows[found[1]] = Row(status, sentence)
    return rows


def _kinds(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


@lru_cache
def _error_classes() -> list[type[APIError] | type[LLMError]]:
    """Every error that carries a code of its own, wherever it is defined."""
    for package in PACKAGES:
        if (ROOT / package / "errors.py").exists():
            importlib.import_module(f"{package}.errors")
    return [*_kinds(APIError), *_kinds(LLMError)]  # type: ignore[list-item]


def _code_positions() -> dict[str, int]:
    """Functions and dataclasses that take a `code`, and which argument it is."""
    positions: dict[str, int] = {}
    for node in _nodes():
        names: list[str] = []
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args]
        elif isinstance(node, ast.ClassDef):
            fields = (field for field in node.body if isinstance(field, ast.AnnAssign))
            names = [ast.unparse(field.target) for field in fields]
        else:
            continue
        if "code" in names:
            positions[node.name] = names.index("code")
    return positions


def _given_codes(node: ast.AST, positions: dict[str, int]) -> Iterator[str]:
    """Codes written out in one node: assigned, under a key, or as an argument."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            for name, value in zip(names, values, strict=True):
                if ast.unparse(name) == "code":
                    yield _text(value)
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield _text(value)
        case ast.AnnAssign(target=ast.Name(id="_CODES"), value=ast.Dict(values=values)):
            yield from map(_text, values)
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if _text(key) == "code":
                    yield _text(value)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            position = positions.get(name, len(arguments))
            yield from map(_text, arguments[position : position + 1])
            yield from (_text(given.value) for given in keywords if given.arg == "code")


def _codes_in_source() -> set[str]:
    positions = _code_positions()
    codes = {code for node in _nodes() for code in _given_codes(node, positions)}
    return (codes | {kind.code for kind in _error_classes()}) - {""}


def test_the_table_of_errors_has_every_code_and_no_other() -> None:
    assert set(_table()) == _codes_in_source()


def test_the_table_of_errors_has_the_right_statuses() -> None:
    table = _table()
    wrong = {
        kind.code: kind.status
        for kind in _error_classes()
        if table[kind.code].status != str(kind.status)
    }
    assert not wrong


def _fixed_sentences() -> dict[str, str]:
    """Of errors that say the same each time: constants of the class, or a constructor
    that takes nothing."""
    fixed: dict[str, str] = {}
    kinds = _error_classes()
    shared = {
        kind.code for kind in kinds if [k.code for k in kinds].count(kind.code) > 1
    }
    for kind in kinds:
        if issubclass(kind, LLMError):
            fixed[kind.code] = kind.text
        elif not inspect.signature(kind).parameters and kind.code not in shared:
            made: APIError = kind()  # type: ignore[call-arg]  # as just looked up
            fixed[kind.code] = made.detail
    return fixed


def test_the_table_of_errors_repeats_the_sentences_that_never_change() -> None:
    table, fixed = _table(), _fixed_sentences()
    assert {code: table[code].sentence for code in fixed} == fixed


# ------------------------------------------------------------------------ environment


def test_the_example_environment_names_what_config_reads() -> None:
    offered = set(
        re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    read = {
        _text(node.args[0])
        for node in _nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "env"
    }
    assert offered == read - INTERNAL


# ------------------------------------------------------------------------------ links


def _prose(document: Path) -> str:
    """Without blocks of code, where brackets and names mean something else."""
    return re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)


def _anchors(document: Path) -> set[str]:
    """Of its headings, as the usual forges make them."""
    titles = re.findall(r"^#+ (.+)$", _prose(document), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
    }


def test_relative_links_resolve() -> None:
    broken: list[str] = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", _prose(document)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            linked = document.parent / name if name else document
            if not linked.exists() or (anchor and anchor not in _anchors(linked)):
                broken.append(f"{document.name} → {target}")
    assert not broken


def test_named_files_exist() -> None:
    missing = [
        f"{document.name}: {name}"
        for document in DOCUMENTS
        for name in re.findall(r"`([\w./-]+/[\w.-]+\.\w+)`", _prose(document))
        if not (ROOT / name).exists()
    ]
    assert not missing


def test_named_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    code = re.compile(r"^```.*?^```|`[^`\n]+`", re.M | re.S)
    unknown = {
        f"{document.name}: {name}"
        for document in DOCUMENTS
        for block in code.findall(document.read_text())
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", block, re.M)
        if name not in targets
    }
    assert not unknown
