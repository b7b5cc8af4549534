"""A `Client` that plays scripts, for tests of the stages above this package."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from llm.client import Prompt
from llm.errors import LLMError
from llm.events import Event, Finished, TextDelta, Usage


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence of so many seconds."""

    seconds: float


Step = Event | LLMError | Pause | asyncio.Event


class FakeClient:
    """Answers each prompt with the next script; without one, with "Hello!".

    A step that is an `asyncio.Event` waits until the test sets it. `prompts` are those
    received, `closed` counts the streams that were left before their end.
    """

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.closed = 0
        self._scripts: deque[tuple[Step, ...]] = deque()

    def enqueue(self, *steps: Step) -> None:
        """The script for the next prompt that has none yet."""
        self._scripts.append(steps)

    def enqueue_text(self, *pieces: str, usage: Usage | None = None) -> None:
        """A complete answer of these pieces; by default one token each, after ten."""
        usage = usage or Usage(10, len(pieces))
        steps = (TextDelta(piece) for piece in pieces)
        self.enqueue(*steps, Finished("stop", "stop", usage, "fake"))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Event, None]:
        """See `Client.stream`."""
        self.prompts.append(prompt)
        if not self._scripts:
            self.enqueue_text("Hello", "!")
        ended = False
        try:
            for step in self._scripts.popleft():
                match step:
                    case LLMError():
                        ended = True
                        raise step
                    case Pause(seconds):
                        await asyncio.sleep(seconds)
                    case asyncio.Event():
                        await step.wait()
                    case _:
                        ended = isinstance(step, Finished)
                        yield step
            ended = True
        finally:
            self.closed += not ended
