"""Recorded streams, after the providers' documented shapes, with what they mean.

Each row is played to every lane of its provider. `litellm` tells where LiteLLM's lane
differs and why that is not what we want; without it the two have to agree.
"""

from tests.llm.streams.anthropic import ANTHROPIC
from tests.llm.streams.gemini import GEMINI
from tests.llm.streams.ollama import OLLAMA
from tests.llm.streams.openai import OPENAI
from tests.llm.streams.tools import TOOLS

STREAMS = [*OPENAI, *TOOLS, *ANTHROPIC, *GEMINI, *OLLAMA]
