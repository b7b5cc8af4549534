"""What of a long conversation is sent."""

from hypothesis import given, settings
from hypothesis import strategies as st

from llm.calls import Calls
from llm.prompt import Message, fit


def talk(*turns: tuple[str, int]) -> list[tuple[Message, int]]:
    """Messages named by their place; "s", "u", "a" are the roles."""
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return [
        ({"role": roles[role], "content": str(place)}, tokens)
        for place, (role, tokens) in enumerate(turns)
    ]


def places(messages: list[Message]) -> list[int]:
    return [int(message["content"]) for message in messages]


def test_what_fits_is_sent_whole() -> None:
    messages = talk(("s", 10), ("u", 10), ("a", 10), ("u", 10))
    assert places(fit(messages, 50, 10)) == [0, 1, 2, 3]


def test_oldest_exchanges_go_first_and_whole() -> None:
    messages = talk(("s", 10), ("u", 10), ("a", 10), ("u", 10), ("a", 10), ("u", 10))
    assert places(fit(messages, 59, 0)) == [0, 3, 4, 5]


def test_the_reserve_is_kept_free() -> None:
    messages = talk(("u", 10), ("a", 10), ("u", 10))
    assert places(fit(messages, 40, 10)) == [0, 1, 2]
    assert places(fit(messages, 40, 11)) == [2]


def test_system_and_newest_user_message_stay_even_when_too_long() -> None:
    messages = talk(("s", 100), ("u", 10), ("a", 10), ("u", 100))
    assert places(fit(messages, 50, 10)) == [0, 3]


def test_an_assistants_opening_without_a_question_is_left_out() -> None:
    assert places(fit(talk(("a", 1), ("u", 1)), 50, 10)) == [1]


def test_no_gap_is_left_by_one_long_exchange() -> None:
    messages = talk(("u", 1), ("a", 1), ("u", 50), ("a", 50), ("u", 1))
    assert places(fit(messages, 20, 0)) == [4]


def test_nothing_becomes_nothing() -> None:
    assert fit([], 10, 5) == []


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from("suua"), st.integers(0, 50)), max_size=20),
    st.integers(0, 300),
)
def test_whatever_comes_the_rules_hold(turns: list[tuple[str, int]], room: int) -> None:
    messages = talk(*turns)
    sent = fit(messages, room, 0)
    kept = places(sent)
    spoken = [m for m in sent if m["role"] != "system"]
    assert [m for m in sent if m["role"] == "system"] == [
        m for m, _ in messages if m["role"] == "system"
    ]
    users = [place for place, (role, _) in enumerate(turns) if role == "u"]
    if users:
        assert users[-1] in kept
        assert spoken[0]["role"] == "user"
    if sum(m["role"] == "user" for m in spoken) > 1:
        assert sum(turns[place][1] for place in kept) <= room


def test_an_id_that_openai_would_find_too_long_is_replaced() -> None:
    calls = Calls()
    for length in (40, 41):
        calls.add(None, "x" * length, "read", "{}")
    kept, replaced = (call.call_id for call in calls.all())
    assert kept == "x" * 40
    assert replaced.startswith("call_") and len(replaced) < 40
