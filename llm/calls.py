"""Tool calls, and what belongs to them, gathered from the pieces of a stream."""

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

from llm.events import ToolCalled

# Characters of all arguments of one reply; what is longer is no call for a tool.
_MOST: Final = 512 * 1024
_MOST_CALLS: Final = 64
# What every provider takes back in a later request, whoever made the id.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
# A name they would refuse to see again belongs to no tool of ours.
_ODD: Final = re.compile(r"[^A-Za-z0-9_-]")
_NAME_LENGTH: Final = 64
# Where LiteLLM hides Gemini's signature of a call (its `thoughtSignature`).
_SIGNED: Final = "__thought__"


class TooManyCallsError(Exception):
    """More or longer calls than anybody could mean."""


class _Call:
    __slots__ = ("arguments", "call_id", "name", "signature")

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.name = ""
        self.signature = ""
        self.arguments: list[str] = []


class Calls:
    """The calls of one reply. `pieces` counts what was added, for whoever waits.

    Providers number the pieces as they like: with `index`, without, or all of them 0;
    with the id on the first piece only or on all. An id that is new begins a call,
    whatever index it carries.
    """

    __slots__ = ("_by_id", "_by_index", "_calls", "_size", "pieces")

    def __init__(self) -> None:
        self.pieces = 0
        self._calls: list[_Call] = []
        self._by_id: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}
        self._size = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    def take(self, given: Iterable[Any]) -> None:
        """Pieces in OpenAI's shape, as mappings or as LiteLLM's objects."""
        for piece in given:
            function = _field(piece, "function") or {}
            self.add(
                _field(piece, "index"),
                _field(piece, "id"),
                _field(function, "name"),
                _field(function, "arguments"),
            )

    def add(
        self,
        index: int | None,
        call_id: str | None,
        name: str | None,
        arguments: str | Mapping[str, Any] | None,
        signature: str = "",
    ) -> None:
        """A piece of a call; whatever is not known or not repeated is None.

        What has no business in its place counts as not given.
        """
        self.pieces += 1
        index = index if isinstance(index, int) else None
        call_id = call_id if isinstance(call_id, str) else None
        name = name if isinstance(name, str) else None
        call = self._find(index, call_id, name)
        call.name = call.name or name or ""
        call.signature = call.signature or signature
        if arguments:
            if not isinstance(arguments, str):  # some send the object itself
                arguments = json.dumps(arguments, ensure_ascii=False)
            self._size += len(arguments)
            call.arguments.append(arguments)
        if self._size > _MOST or len(self._calls) > _MOST_CALLS:
            raise TooManyCallsError

    def all(self) -> tuple[ToolCalled, ...]:
        """The calls that name a tool, in the order in which they began."""
        return tuple(_called(call) for call in self._calls if call.name)

    def _find(self, index: int | None, call_id: str | None, name: str | None) -> _Call:
        if call_id:
            known = self._by_id.get(call_id)
        elif index is not None:
            known = self._by_index.get(index)
        else:
            known = None if name or not self._calls else self._calls[-1]
        if known is not None:
            return known
        call = _Call(call_id or "")
        self._calls.append(call)
        if call_id:
            self._by_id[call_id] = call
        if index is not None:
            self._by_index[index] = call
        return call


class Thoughts:
    """Thinking as the provider wants it back while its tools are being called."""

    __slots__ = ("_blocks", "_open")

    def __init__(self) -> None:
        self._blocks: list[dict[str, str]] = []
        self._open: list[str] = []

    def add(self, text: str) -> None:
        self._open.append(text)

    def sign(self, signature: str) -> None:
        """The open block is complete; thinking without a signature cannot go back."""
        text, self._open = "".join(self._open), []
        block = {"type": "thinking", "thinking": text, "signature": signature}
        self._blocks.append(block)

    def redact(self, data: str) -> None:
        """A block that only the provider can read."""
        self._blocks.append({"type": "redacted_thinking", "data": data})

    def take(self, given: Iterable[Any]) -> None:
        """Pieces of LiteLLM's `thinking_blocks`."""
        for block in given:
            if data := _field(block, "data"):
                self.redact(data)
                continue
            if text := _field(block, "thinking"):
                self.add(text)
            if signature := _field(block, "signature"):
                self.sign(signature)

    def echo(self) -> dict[str, Any]:
        """For `llm.events.Finished.echo`."""
        return {"thinking_blocks": self._blocks} if self._blocks else {}


def _called(call: _Call) -> ToolCalled:
    call_id, _, hidden = call.call_id.partition(_SIGNED)
    if not _ID.fullmatch(call_id):
        call_id = f"call_{secrets.token_hex(8)}"
    arguments = "".join(call.arguments).strip() or "{}"
    name = _ODD.sub("_", call.name[: _NAME_LENGTH + 1])
    if len(name) > _NAME_LENGTH:  # not a shorter tool's by chance
        name = name[: _NAME_LENGTH - 1] + "_"
    return ToolCalled(call_id, name, arguments, call.signature or hidden)


def _field(given: Any, name: str) -> Any:
    if isinstance(given, Mapping):
        return given.get(name)
    return getattr(given, name, None)
