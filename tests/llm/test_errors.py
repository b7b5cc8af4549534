"""What an error shows to whom."""

import pytest

from llm.errors import ProviderUnauthorized, redact

KEY = "tenant/key+with=signs"


def test_a_given_secret_is_removed_also_when_quoted() -> None:
    text = f"GET https://host/v1?key={KEY} and tenant%2Fkey%2Bwith%3Dsigns and {KEY}"
    assert "tenant" not in redact(text, KEY, None, "")
    assert "https://host/v1" in redact(text, KEY)


@pytest.mark.parametrize(
    "written",
    [
        r"p\"ss/w<rd\\1&2",
        r"p\"ss\/w<rd\\1&2",
        "p&quot;ss/w&lt;rd\\1&amp;2",
        "cCJzcy93PHJkXDEmMg==",
    ],
)
def test_a_secret_is_removed_in_whichever_form_a_server_repeats_it(
    written: str,
) -> None:
    secret = 'p"ss/w<rd\\1&2'
    assert redact(f"You sent <{written}>.", secret) == "You sent <[redacted]>."


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijklmnop",
        "Authorization: Bearer abcdef123456",
        "url?key=AIzaSyA1234567890abcdef",
        '{"api_key": "abcdef123456"}',
        "xai-0123456789abcdef is not valid",
    ],
)
def test_what_looks_like_a_key_is_removed(text: str) -> None:
    assert "[redacted]" in redact(text)
    assert "abcdef" not in redact(text)


def test_ordinary_text_stays_as_it_is() -> None:
    text = "The model `gpt-4o` does not exist; the task-oriented key to success"
    assert redact(text) == text


def test_an_error_reads_as_our_sentence_and_keeps_a_clipped_detail() -> None:
    error = ProviderUnauthorized(f"{KEY} " + "x" * 10_000, secrets=(KEY,))
    assert str(error) == ProviderUnauthorized.text
    assert KEY not in error.detail
    assert len(error.detail) == 2_000
