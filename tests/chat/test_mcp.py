"""Tools of MCP servers in turns: found, called, allowed by a person, and failing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.models import McpServer
from agents.services import create_mcp_server
from chat.models import Turn
from tenants.db import entered
from tests.chat.talk import CHAT, Stream, Talk
from tests.chat.test_tools import give_tools, tool_parts
from tests.mcp_server import KEY, NAMES, McpStandIn
from tests.provider import Answer
from tests.servers import LiveServer

ADD = ("docs__add", '{"a": 2, "b": 3}')


def add_server(talk: Talk, mcp: McpStandIn, **fields: Any) -> McpServer:
    given: dict[str, Any] = {"name": "docs", "url": mcp.url, "approval": "never"}
    with entered(talk.tenant.scope):
        headers = {"Authorization": f"Bearer {KEY}"}
        return create_mcp_server(**{**given, "headers": headers, **fields})


def test_tools_of_a_server_are_called_and_bounded(talk: Talk, mcp: McpStandIn) -> None:
    add_server(talk, mcp)
    hasty = add_server(talk, mcp, name="slow", timeout=3)
    names = [*(f"docs__{name}" for name in NAMES[:-1]), "slow__hang"]
    give_tools(talk, *names, "docs__gone")
    with talk.server.client(talk.tenant, "owner") as owner:
        # Until it is known what it offers, which it has to say in that time, too.
        while not owner.post(f"/api/v1/mcp-servers/{hasty.pk}/test").json()["ok"]:
            pass
    calls = (ADD, *((name, "{}") for name in names[1:]))
    talk.provider.enqueue(Answer(calls=calls), Answer(text="Five."))
    stream = talk.send()
    assert stream.text == "Five."
    offered = talk.provider.requests[0].body["tools"]
    assert [tool["function"]["name"] for tool in offered] == names
    assert offered[0]["function"]["parameters"]["required"] == ["a", "b"]
    assert mcp.headers["authorization"] == f"Bearer {KEY}"
    parts = tool_parts(talk.messages(stream.conversation_id)[-1])
    added, shouted, failed, long, huge, hung = parts
    assert added["output"] == "5"
    assert shouted["output"] == "<script>alert(1)</script>[31m"
    assert "Error executing tool fail" in failed["errorText"]
    assert len(long["output"].encode()) <= 64 * 1024
    assert "too long" in long["output"]
    assert huge["state"] == "output-error"
    # Whose clock is first is open: the client's, or that of all tools.
    assert any(
        word in hung["errorText"] for word in ("within 3 seconds", "not answer in time")
    )


def test_a_server_that_is_away_leaves_the_answer_without_its_tools(
    talk: Talk, mcp: McpStandIn
) -> None:
    add_server(talk, mcp, url="http://127.0.0.1:9/mcp")
    give_tools(talk, "docs__add", "calculator")
    stream = talk.send()
    assert stream.parts[-1]["finishReason"] == "stop"
    [tool] = talk.provider.requests[0].body["tools"]
    assert tool["function"]["name"] == "calculator"


# ------------------------------------------------------------------------- approval


def ask(
    talk: Talk, mcp: McpStandIn, *calls: tuple[str, str]
) -> tuple[Stream, list[str]]:
    """A turn that waits for a person, and the ids under which it asks."""
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add", "calculator")
    talk.provider.enqueue(Answer(text="May I? ", calls=calls or (ADD,)))
    stream = talk.send("Add.")
    requests = [p for p in stream.parts if p["type"] == "tool-approval-request"]
    return stream, [part["approvalId"] for part in requests]


def decide(talk: Talk, chat: str, ids: list[str], approved: bool = True) -> Stream:
    answers = [{"id": asked, "approved": approved} for asked in ids]
    return talk.send(None, conversationId=chat, approvals=answers)


def test_a_call_waits_until_a_person_allows_it(
    each_talk: Talk, mcp: McpStandIn
) -> None:
    talk = each_talk
    asked, ids = ask(talk, mcp, ADD, ("calculator", '{"expression": "1+1"}'))
    chat = asked.conversation_id
    assert asked.parts[-1]["finishReason"] == "tool-calls"
    assert mcp.calls == []
    reply = talk.messages(chat)[-1]
    assert [part["state"] for part in tool_parts(reply)] == [
        *("approval-requested", "output-available")
    ]
    talk.provider.enqueue(Answer(text="Five.", held_after=0))
    approvals = [{"id": ids[0], "approved": True}]
    with (
        talk.open(None, conversationId=chat, approvals=approvals) as going,
        talk.follow(chat) as again,
    ):
        talk.provider.let_go()
        going.rest()
        again.rest()
    assert mcp.calls == [("add", (2, 3))]
    assert (going.text, going.start["messageId"]) == ("Five.", reply["id"])
    assert again.text == "May I? Five."
    assert again.kinds.count("tool-output-available") == 2
    after = talk.messages(chat)[-1]
    assert (after["id"], after["text"]) == (reply["id"], "May I? Five.")
    assert [part["type"] for part in after["parts"]] == [
        *("text", "tool-docs__add", "tool-calculator", "step-start", "text")
    ]
    assert after["parts"][1]["approval"] == {"id": ids[0], "approved": True}
    assert after["total_tokens"] > reply["total_tokens"] > 0
    history = talk.provider.requests[-1].body["messages"]
    assert [message["role"] for message in history] == [
        *("system", "user", "assistant", "tool", "tool")
    ]
    assert {message["content"] for message in history[3:]} == {"2", "5"}
    with entered(talk.tenant.scope):
        assert Turn.objects.filter(reply=reply["id"]).count() == 2


def test_the_model_is_told_of_a_denied_call_which_is_never_made(
    talk: Talk, mcp: McpStandIn
) -> None:
    asked, ids = ask(talk, mcp)
    talk.provider.enqueue(Answer(text="Then not."))
    going = decide(talk, asked.conversation_id, ids, approved=False)
    assert going.kinds.count("tool-output-denied") == 1
    assert "not allowed" in talk.provider.requests[-1].body["messages"][-1]["content"]
    [part] = tool_parts(talk.messages(asked.conversation_id)[-1])
    assert part["state"] == "output-denied"
    assert mcp.calls == []


def test_answering_twice_is_harmless_and_strangers_cannot(
    talk: Talk, mcp: McpStandIn
) -> None:
    asked, ids = ask(talk, mcp)
    chat = asked.conversation_id
    body = {"conversationId": chat, "approvals": [{"id": ids[0], "approved": True}]}
    with talk.server.client(talk.tenant, "stranger") as stranger:
        assert stranger.post(CHAT, json=body).status_code == 404
    with talk.server.client(talk.tenant) as nobody:
        assert nobody.post(CHAT, json=body).status_code == 401
    bad: tuple[Any, ...] = (
        *([], [{}], [{"id": 5, "approved": True}], [{"id": "x", "approved": "yes"}]),
        *("all", [None], [{"id": "a", "approved": True}] * 65),
    )
    for wrong in bad:
        answer = talk.client.post(CHAT, json={**body, "approvals": wrong})
        assert answer.status_code == 400, wrong
    unknown = {**body, "approvals": [{"id": "unknown", "approved": True}]}
    assert talk.client.post(CHAT, json=unknown).status_code == 404
    assert decide(talk, chat, ids).parts[-1]["finishReason"] == "stop"
    before = talk.messages(chat)
    assert decide(talk, chat, ids, approved=False).kinds[-1] == "finish"
    assert talk.messages(chat) == before
    assert mcp.calls == [("add", (2, 3))]


def test_a_conversation_can_go_on_without_an_answer(
    talk: Talk, mcp: McpStandIn
) -> None:
    asked, ids = ask(talk, mcp)
    chat = asked.conversation_id
    assert talk.send("Never mind.", conversationId=chat).kinds[-1] == "finish"
    result = talk.provider.requests[-1].body["messages"][-2]
    assert result["role"] == "tool"
    assert "not said" in result["content"]
    body = {"conversationId": chat, "approvals": [{"id": ids[0], "approved": True}]}
    assert talk.client.post(CHAT, json=body).status_code == 404
    assert mcp.calls == []


# ------------------------------------------------------------------ the admins' side


def test_admins_keep_servers_by_the_api(talk: Talk, mcp: McpStandIn) -> None:
    given = {"name": "docs", "url": mcp.url, "headers": {"X-Key": KEY}}
    with talk.server.client(talk.tenant, "owner") as admin:
        made = admin.post("/api/v1/mcp-servers", json=given)
        assert made.status_code == 201, made.text
        path = f"/api/v1/mcp-servers/{made.json()['id']}"
        assert made.json()["has_headers"] is True
        tested = admin.post(f"{path}/test").json()
        assert (tested["ok"], tested["code"]) == (True, None)
        assert [tool["name"] for tool in tested["tools"]] == [
            f"docs__{name}" for name in NAMES
        ]
        give_tools(talk, "docs__add")
        assert admin.delete(path).json()["code"] == "mcp_server_in_use"
        assert admin.patch(path, json={"url": "http://127.0.0.1:9"}).status_code == 400
        moved: dict[str, Any] = {
            "url": "http://127.0.0.1:9/mcp",
            "headers": None,
            "allowed_tools": [],
        }
        assert admin.patch(path, json=moved).json()["has_headers"] is False
        tested = admin.post(f"{path}/test").json()
        assert (tested["ok"], tested["code"]) == (False, "mcp_server_failed")
        for wrong in (
            {"name": "Docs"},
            {"name": "a__b"},
            {"url": "ftp://host/"},
            {"url": "", "command": "sh"},
            {"timeout": 10**30},
            {"headers": {"Host": "x"}},
            {"headers": {"A": "b\nc"}},
            {"approval": "sometimes"},
            {"allowed_tools": "all"},
        ):
            answer = admin.patch(path, json=wrong)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), (
                wrong
            )
        give_tools(talk, "calculator")
        assert admin.delete(path).status_code == 204
        assert admin.get(path).status_code == 404
        assert KEY not in made.text
    for name, status in (("member", 403), ("", 401)):
        with talk.server.client(talk.tenant, name) as other:
            assert other.get("/api/v1/mcp-servers").status_code == status


def test_no_server_in_a_private_network_is_asked(
    start_server: Callable[..., LiveServer], talk: Talk, mcp: McpStandIn
) -> None:
    """Nor one whose address was public when it was saved."""
    saved = add_server(talk, mcp)
    server = start_server(ALLOW_PRIVATE_ADDRESSES="0")
    mcp.headers.clear()
    with server.client(talk.tenant, "owner") as admin:
        path = "/api/v1/mcp-servers"
        made = admin.post(path, json={"name": "inner", "url": mcp.url})
        assert (made.status_code, list(made.json()["fields"])) == (400, ["url"])
        tested = admin.post(f"{path}/{saved.pk}/test").json()
        assert "private networks" in tested["detail"]
    assert mcp.headers == {}
