"""A provider's response body as JSON objects, however the network cut it.

Reads server-sent events and, as some providers send them, one JSON object a line. The
hot path of every own lane: one call a network read, one JSON parse an event.
"""

import json
from typing import Any, Final

import orjson

# A line may be as long as an inlined image, but not as long as memory.
MAX_LINE: Final = 16 * 1024 * 1024
# One object over several lines is parsed again with each of them.
_MAX_HELD: Final = 64
_HELD_BYTES: Final = 1024 * 1024

Chunk = dict[str, Any]


class BadStreamError(Exception):
    """What arrived is no stream of JSON objects; the message shows its beginning."""

    def __init__(self, line: bytes) -> None:
        super().__init__(f"not JSON: {line[:200].decode(errors='replace')}")


class Reader:
    """Feed it blocks of bytes; it gives the objects that are complete by then.

    Lines end with LF only (a CR before it is dropped): providers send U+2028 and U+0085
    unescaped inside JSON, where `str.splitlines` would cut. `done` says that nothing
    more is to be read: [DONE] came, or something that is no JSON, which is `failure`.
    """

    def __init__(self) -> None:
        self.done = False
        self.failure: BadStreamError | None = None
        self._parts: list[bytes] = []  # of a line whose end has not come
        self._size = 0
        self._loose_size = 0
        self._held = b""  # data lines that are no JSON yet
        self._held_lines = 0
        self._loose: list[bytes] = []  # lines of an object without "data:"

    def feed(self, block: bytes) -> list[Chunk]:
        """Objects completed by `block`."""
        if (
            block[:5] == b"data:"
            and block[-2:] == b"\n\n"
            and block.count(b"\n") == 2
            and not self._parts
            and not self._held
        ):  # nearly always: one event, whole
            try:
                chunk = orjson.loads(block[5:])
            except orjson.JSONDecodeError:
                pass
            else:
                return [chunk] if chunk.__class__ is dict else []
        found: list[Chunk] = []
        try:
            if b"\n" in block:
                self._lines(block, found)
            else:
                self._keep(block)
        except BadStreamError as failure:
            self.failure = failure
            self.done = True
        return found

    def _lines(self, block: bytes, found: list[Chunk]) -> None:
        if self._parts:
            block = b"".join((*self._parts, block))
            self._parts.clear()
            self._size = 0
        lines = block.split(b"\n")
        if rest := lines.pop():
            self._keep(rest)
        for line in lines:
            if line[:5] == b"data:":
                self._data(line[5:], found)
            elif line and line != b"\r":
                self._other(line, found)
            elif self._held:
                raise BadStreamError(self._held)

    def close(self) -> list[Chunk]:
        """What the end of the body completes; a line cut short is left out."""
        found: list[Chunk] = []
        rest = b"".join(self._parts)
        self._parts.clear()
        if rest[:5] == b"data:":
            self._data(rest[5:], found)
        elif rest:
            self._other(rest, found)
        body = _lenient(b"".join(self._loose))
        if isinstance(body, dict):
            found.append(body)
        return found

    def _keep(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_LINE:
            raise BadStreamError(self._parts[0])

    def _data(self, data: bytes, found: list[Chunk]) -> None:
        """One data line. Tried at once: not every server sends the blank line."""
        if self._held:
            data = self._held + b"\n" + data.strip()
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            data = data.strip()
            if data == b"[DONE]":
                self.done = True
                return
            chunk = _lenient(data)
            if chunk is None:
                self._held = data
                self._held_lines += 1
                if self._held_lines > _MAX_HELD or len(data) > _HELD_BYTES:
                    raise BadStreamError(data) from None
                return
        if self._held:
            self._held, self._held_lines = b"", 0
        if isinstance(chunk, dict):
            found.append(chunk)

    def _other(self, line: bytes, found: list[Chunk]) -> None:
        """A line without "data:": JSON lines, or an error body sent with status 200."""
        line = line.removeprefix(b"\xef\xbb\xbf").strip()
        if line.startswith(b"data:"):  # after a byte order mark
            self._data(line[5:], found)
        elif self._loose:
            self._loose_size += len(line)
            if self._loose_size > MAX_LINE:
                raise BadStreamError(self._loose[0])
            self._loose.append(line)
        elif line.startswith(b"{"):
            chunk = _lenient(line)
            if isinstance(chunk, dict):
                found.append(chunk)
            else:
                self._loose.append(line)


def _lenient(data: bytes) -> Any:
    """JSON that orjson refuses: invalid UTF-8, lone surrogates, NaN; None if no JSON.

    What is no character becomes U+FFFD, since nothing after us can store it.
    """
    try:
        chunk = json.loads(data.decode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return json.loads(
        json.dumps(chunk, ensure_ascii=False)
        .encode("utf-16", "surrogatepass")
        .decode("utf-16", "replace")
    )
