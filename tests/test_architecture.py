"""The layers of docs/architecture.md hold: import-linter's contracts, and sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("config", "chat", "usage", "agents", "accounts", "tenants", "llm")
LONGEST = 400


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


@pytest.mark.parametrize("package", [*LAYERS, "tests", "bench"])
def test_no_file_is_too_long(package: str) -> None:
    files = [path for path in (ROOT / package).rglob("*.py") if path.is_file()]
    assert files
    lengths = {path: path.read_text().count("\n") for path in files}
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}
