"""A reply that is tried again with a wish, where its turn does not go straight on."""

from __future__ import annotations

from agents.models import Agent
from agents.services import update_agent
from chat.models import Message, TurnLogEntry
from chat.services.forking import copy_linked, fork
from chat.services.sharing import share
from chat.services.starting import start_turn
from chat.turns.codec import to_json
from chat.turns.plan import Send
from llm import tokens
from llm.events import TextDelta
from llm.prompt import WISHED
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation
from tests.chat.talk import CHAT, Stream, Talk
from tests.chat.test_mcp import ADD, add_server, decide
from tests.chat.test_tools import give_tools
from tests.chat.unattended import take_for_dead
from tests.factories import make_provider, person
from tests.mcp_server import McpStandIn
from tests.provider import Answer
from usage.models import UsageRecord

SHORTER = WISHED.format("Shorter")


def try_again(talk: Talk, before: Stream, wish: str = "Shorter") -> Stream:
    body = {
        "id": before.conversation_id,
        "messages": [],
        "messageId": before.start["messageId"],
        "wish": wish,
    }
    return talk.send(None, **body, trigger="regenerate-message")


def asked(talk: Talk) -> list[list[str | None]]:
    """What each request said after the system prompt."""
    return [
        [message["content"] for message in request.body["messages"][1:]]
        for request in talk.provider.requests
    ]


def test_the_next_model_hears_the_wish(talk: Talk) -> None:
    make_provider(
        talk.tenant, base_url=talk.provider.url, name="second", models=("other-model",)
    )
    with entered(talk.tenant.scope):
        agent = Agent.objects.get()
        update_agent(agent=agent, author=None, fallbacks=["second/other-model"])
    first = talk.send("Q")
    talk.provider.on("some-model", Answer(status=503))
    try_again(talk, first)
    own, other = asked(talk)[1:]
    assert other == own == ["Q", first.text, SHORTER]


def test_what_a_dead_process_asked_is_counted_with_the_reply_it_was_about(
    talk: Talk,
) -> None:
    talk.provider.enqueue(Answer(text="A long answer. " * 200))
    first = talk.send("Q")
    with entered(talk.tenant.scope):
        send = Send(
            conversation_id=first.conversation_id,
            trigger="regenerate",
            target_id=first.start["messageId"],
            wish="Shorter",
        )
        plan = start_turn(user=person(talk.tenant, "member"), send=send)
        assert plan.prompt is not None
        rows = to_json([TextDelta("An ans")])
        TurnLogEntry.objects.create(
            turn_id=plan.turn_id, position=0, end=1, events=rows
        )
        take_for_dead(plan.turn_id)
        record = UsageRecord.objects.get(turn_id=plan.turn_id)
        prompt = plan.prompt
        used = tokens.estimate_usage(prompt.messages, "An ans", prompt.model)
        assert record.prompt_tokens == used.prompt_tokens > 500


def test_a_reply_whose_tool_waited_goes_on_with_all_it_was_asked(
    talk: Talk, mcp: McpStandIn
) -> None:
    first = talk.send("Add.")
    talk.provider.enqueue(Answer(text="A second version, which nobody means."))
    try_again(talk, first, "Longer")
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add")
    talk.provider.enqueue(Answer(text="May I? ", calls=(ADD,)), Answer(text="Three."))
    waiting = try_again(talk, first)
    request = next(p for p in waiting.parts if p["type"] == "tool-approval-request")
    decide(talk, first.conversation_id, [request["approvalId"]])
    before, after = asked(talk)[2:]
    assert before == ["Add.", first.text, SHORTER]
    assert after[:3] == before


def test_a_wish_about_a_reply_that_was_deleted_stays(
    talk: Talk, mcp: McpStandIn
) -> None:
    first = talk.send("Add.")
    add_server(talk, mcp, approval="always")
    give_tools(talk, "docs__add")
    talk.provider.enqueue(Answer(text="May I? ", calls=(ADD,)), Answer(text="Three."))
    waiting = try_again(talk, first)
    request = next(p for p in waiting.parts if p["type"] == "tool-approval-request")
    old = f"{CHAT}/{first.conversation_id}/messages/{first.start['messageId']}"
    assert talk.client.delete(old).status_code == 204
    decide(talk, first.conversation_id, [request["approvalId"]])
    *_, after = asked(talk)
    assert after[0] == f"Add.\n\n{SHORTER}"


def test_copies_tie_a_wish_to_no_other_conversation_and_a_links_has_none(
    db: None, acme: Tenant
) -> None:
    made = make_conversation(acme)
    reply = made.active_leaf_id
    assert reply is not None
    with entered(acme.scope):
        made.messages.filter(pk=reply).update(wish="Shorter", wish_about=reply)
        own = fork(user=made.owner, conversation_id=made.pk, message_id=reply)
        token = share(user=made.owner, conversation_id=made.pk, whom="link").token
        assert token is not None
        anothers = copy_linked(user=person(acme, "stranger"), token=token)
        for copy, wish in ((own, "Shorter"), (anothers, "")):
            copied = Message.objects.get(pk=copy.active_leaf_id)
            assert (copied.wish, copied.wish_about) == (wish, "")
