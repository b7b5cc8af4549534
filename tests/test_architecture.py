"""Layers import downwards only, and nothing grows too long to be read."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = (
    *("config", "chat", "usage", "agents"),
    *("printing", "accounts", "tenants", "llm"),
)
PACKAGES = (*LAYERS, "tests", "bench")
FILE_LINES, FUNCTION_LINES = 400, 60


def lint_imports(folder: Path) -> tuple[int, str]:
    command = "import sys; from importlinter.cli import lint_imports_command as c; c()"
    result = subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return result.returncode, result.stdout + result.stderr


def test_imports_point_downwards() -> None:
    code, said = lint_imports(ROOT)
    assert code == 0, said
    assert "0 broken" in said


def test_an_upward_import_is_noticed(tmp_path: Path) -> None:
    """Else the test above could pass for the wrong reason."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for layer in LAYERS:
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "__init__.py").write_text("")
    (tmp_path / "tenants" / "wrong.py").write_text("import accounts\n")
    (tmp_path / "llm" / "wrong.py").write_text("import django\n")
    (tmp_path / "chat" / "wrong.py").write_text("import litellm\n")
    code, said = lint_imports(tmp_path)
    assert code == 1, said
    for wrong in ("tenants.wrong", "llm.wrong", "chat.wrong"):
        assert wrong in said


def sources(package: str) -> list[Path]:
    files = [path for path in (ROOT / package).rglob("*.py") if path.is_file()]
    assert files
    return [path for path in files if "migrations" not in path.parts]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_file_is_too_long(package: str) -> None:
    lengths = {path: path.read_text().count("\n") for path in sources(package)}
    assert {path: n for path, n in lengths.items() if n > FILE_LINES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_too_long(package: str) -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    ]
    assert long == []
