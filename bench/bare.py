"""LiteLLM as it comes: `litellm.acompletion` iterated, each chunk sent on as it is. The
least that a server with it can do; no authentication, no database.

`BENCH_PROVIDER=http://… python -m uvicorn bench.bare:application`
"""

from __future__ import annotations

import json
import os
from typing import Any

import litellm


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            await send({"type": (await receive())["type"] + ".complete"})
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = json.loads(body)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream")],
        }
    )
    stream = await litellm.acompletion(
        model=f"openai/{asked['model']}",
        messages=asked["messages"],
        api_base=os.environ["BENCH_PROVIDER"],
        api_key="bench",
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        data = f"data: {chunk.model_dump_json()}\n\n".encode()
        await send({"type": "http.response.body", "body": data, "more_body": True})
    end = b"data: [DONE]\n\n"
    await send({"type": "http.response.body", "body": end, "more_body": False})
