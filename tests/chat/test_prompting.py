"""What a model is asked: system prompt, branch, window, limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from agents.models import LOCAL, AgentRevision
from agents.models import Provider as ProviderRow
from agents.resolving import resolve_model
from chat import prompting
from chat.fitting import fitted
from chat.models import Conversation, Message
from llm import tokens
from llm.client import Prompt
from llm.errors import ProviderKeyMissing, ProviderModelNotFound, ProviderUnavailable
from llm.prompt import WISHED, fit
from tenants.db import entered
from tenants.models import Tenant
from tests.chat.rows import make_conversation, make_message
from tests.factories import PROVIDER_KEY, STAND_IN, STAND_IN_MODEL, point_agent

MODEL = f"{STAND_IN}/{STAND_IN_MODEL}"
ADDRESS = "http://127.0.0.1:9/v1"


@pytest.fixture
def revision(db: None, acme: Tenant) -> Iterator[AgentRevision]:
    made = point_agent(acme, ADDRESS, temperature=0.5)
    with entered(acme.scope):
        yield made


def ask(
    made: Conversation, revision: AgentRevision, model: str = MODEL
) -> tuple[Prompt, list[str]]:
    """The prompt for the active leaf, and its contents."""
    leaf = made.active_leaf
    assert leaf is not None
    prompt = prompting.build(made, leaf, revision, resolve_model(model), made.owner)
    return prompt, [message["content"] for message in prompt.messages]


def configure(kind: str, *models: str) -> None:
    ProviderRow.objects.filter(name=STAND_IN).update(
        kind=kind, model_names=[*models, STAND_IN_MODEL]
    )


def test_the_system_prompt_comes_first_and_then_the_branch(
    acme: Tenant, revision: AgentRevision
) -> None:
    made = make_conversation(acme, said=("Q1", "A1", "Q2"))
    prompt, _ = ask(made, revision)
    assert list(prompt.messages) == [
        {"role": "system", "content": "You are a test."},
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": "A1"},
        {"role": "user", "content": "Q2"},
    ]
    assert prompt.model == STAND_IN_MODEL
    assert prompt.endpoint.api_key == PROVIDER_KEY
    assert prompt.endpoint.base_url == ADDRESS
    assert PROVIDER_KEY not in repr(prompt) and "Q1" not in repr(prompt)


def test_without_a_system_prompt_there_is_none(
    acme: Tenant, revision: AgentRevision
) -> None:
    revision.system_prompt = ""
    assert ask(make_conversation(acme, said=("Q1",)), revision)[1] == ["Q1"]


def test_other_branches_and_other_conversations_are_not_asked(
    acme: Tenant, revision: AgentRevision
) -> None:
    make_conversation(acme, said=("Other",))
    made = make_conversation(acme, said=("Q1", "A1", "Q2"))
    reply = Message.objects.get(text="A1")
    made.active_leaf = make_message(made, "Q2 b", reply, number=9)
    assert ask(made, revision)[1] == ["You are a test.", "Q1", "A1", "Q2 b"]


def test_a_reply_without_a_word_is_left_out(
    acme: Tenant, revision: AgentRevision
) -> None:
    made = make_conversation(acme, said=("Q1", "", "Q2"))
    assert ask(made, revision)[1][1:] == ["Q1", "Q2"]


def test_the_oldest_exchanges_go_when_the_window_is_full(
    acme: Tenant, revision: AgentRevision
) -> None:
    """gpt-4 reads 8,192 tokens; each "word " is one."""
    configure("openai", "gpt-4")
    said = [f"{name} {'word ' * 1_000}" for name in ("Q1", "A1", "Q2", "A2", "Q3")]
    made = make_conversation(acme, said=(*said[:2], *said * 2))
    made.active_leaf = Message.objects.order_by("created_at").last()
    prompt, contents = ask(made, revision, f"{STAND_IN}/gpt-4")
    assert contents[0] == "You are a test."
    kept = contents[1:]
    assert 1 < len(kept) < 12
    assert prompt.messages[1]["role"] == "user", "begins with a question"
    assert kept[-1].startswith("Q3"), "ends with the newest"
    whole = [*said[:2], *said * 2]
    assert kept == whole[-len(kept) :]
    reserve = prompt.parameters["max_tokens"]
    assert isinstance(reserve, int)
    assert len(kept) * 1_000 + reserve <= 8_192


def test_a_question_too_long_for_the_window_is_asked_all_the_same(
    acme: Tenant, revision: AgentRevision
) -> None:
    """The provider then says so, in a code of its own."""
    configure("openai", "gpt-4")
    made = make_conversation(acme, said=("Q1", "A1", "word " * 9_000))
    assert ask(made, revision, f"{STAND_IN}/gpt-4")[1][1:] == ["word " * 9_000]


LIMITS: list[tuple[str, str, dict[str, Any], int]] = [
    # kind, model, the agent's parameters → tokens for the reply
    ("openai_compatible", STAND_IN_MODEL, {}, 4096),  # the server's
    ("openai_compatible", STAND_IN_MODEL, {"max_tokens": 50}, 50),  # the agent's
    ("openai_compatible", STAND_IN_MODEL, {"max_tokens": 10**6}, 4096),
    ("openai", "gpt-4-turbo", {}, 4096),  # the model's
    ("openai", "gpt-3.5-turbo-instruct", {}, 4096),
    ("openai", "gpt-4", {"max_tokens": 8_000}, 4096),  # half the window
]


@pytest.mark.parametrize(("kind", "model", "parameters", "expected"), LIMITS)
def test_the_replys_limit_is_the_least_of_all(
    acme: Tenant,
    revision: AgentRevision,
    kind: str,
    model: str,
    parameters: dict[str, Any],
    expected: int,
) -> None:
    configure(kind, model)
    revision.parameters = parameters
    made = make_conversation(acme, said=("Q1",))
    prompt, _ = ask(made, revision, f"{STAND_IN}/{model}")
    assert prompt.parameters["max_tokens"] == expected


def test_the_settings_bound_the_reply_and_its_times(
    acme: Tenant, revision: AgentRevision, settings: Settings
) -> None:
    settings.TURN_MAX_OUTPUT_TOKENS = 77
    settings.TURN_CONNECT_TIMEOUT = 1
    settings.TURN_FIRST_TOKEN_TIMEOUT = 2
    settings.TURN_IDLE_TIMEOUT = 3
    settings.TURN_TOTAL_TIMEOUT = 4
    prompt, _ = ask(make_conversation(acme, said=("Q1",)), revision)
    assert prompt.parameters == {"temperature": 0.5, "max_tokens": 77}
    times = prompt.timeouts
    assert (times.connect, times.first_token, times.idle, times.total) == (1, 2, 3, 4)


def test_the_local_model_has_half_its_window_for_the_reply(
    acme: Tenant, revision: AgentRevision, settings: Settings
) -> None:
    settings.LOCAL_MODEL_URL, settings.LOCAL_MODEL_KEY = ADDRESS, "local-key"
    model = revision.agent.revisions.get(number=1).model
    prompt, _ = ask(make_conversation(acme, said=("Q1",)), revision, model)
    assert prompt.endpoint.provider == LOCAL
    assert prompt.endpoint.api_key == "local-key"
    assert prompt.parameters["max_tokens"] == 2048


def test_what_cannot_be_asked_says_why(
    acme: Tenant, revision: AgentRevision, settings: Settings
) -> None:
    made = make_conversation(acme, said=("Q1",))
    local = revision.agent.revisions.get(number=1).model
    settings.LOCAL_MODEL_URL = ""
    for model, error in (
        ("nobody/gpt-4", ProviderModelNotFound),
        (f"{STAND_IN}/", ProviderModelNotFound),
        ("", ProviderModelNotFound),
        (local, ProviderUnavailable),
    ):
        with pytest.raises(error):
            ask(made, revision, model)
    row = ProviderRow.objects.get(name=STAND_IN)
    row.credentials.all().delete()
    assert ask(made, revision)[0].endpoint.api_key is None
    configure("openai")
    with pytest.raises(ProviderKeyMissing):
        ask(made, revision)


@pytest.mark.parametrize("window", [40, 120, 300, 2_000])
def test_not_counting_what_is_too_old_changes_nothing(window: int) -> None:
    said = [("system", "Be brief.")]
    for number in range(40):
        said += [("user", f"Question {number}?"), ("assistant", "Word " * number)]
    messages = [{"role": role, "content": text} for role, text in said]
    counted = [(m, tokens.count_messages([m], "gpt-4o")) for m in messages]
    assert fitted(messages, "gpt-4o", window, 20) == fit(counted, window, 20)


def test_a_wish_reads_no_other_conversation_and_no_question(
    acme: Tenant, revision: AgentRevision
) -> None:
    others = make_conversation(acme, said=("Q", "A secret"))
    made = make_conversation(acme, said=("Q1", "A1", "Q2"))
    asked = made.messages.get(text="Q1").pk
    own = made.messages.get(text="A1").pk
    for about, said in (
        (own, ["A1", WISHED.format("Shorter")]),
        (others.active_leaf_id, [f"Q2\n\n{WISHED.format('Shorter')}"]),
        (asked, [f"Q2\n\n{WISHED.format('Shorter')}"]),
    ):
        reply = Message(conversation=made, wish="Shorter", wish_about=about or "")
        assert made.active_leaf is not None
        prompt = prompting.build(
            made,
            made.active_leaf,
            revision,
            resolve_model(MODEL),
            made.owner,
            reply=reply,
        )
        contents = [message["content"] for message in prompt.messages]
        assert contents[-len(said) :] == said
        assert "A secret" not in contents
