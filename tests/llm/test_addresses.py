"""Where calls may go: no redirects, and no private networks unless they are allowed."""

import asyncio
import socket

import pytest

from llm import addresses, errors
from llm.client import Endpoint, LiteLLMClient, Prompt
from llm.fast import FastClient
from tests.llm.conftest import KEY, AnyClient, Outcome, collect
from tests.llm.playback import Playback, Tape
from tests.llm.streams.openai import AB, STOP, counted
from tests.llm.streams.recording import sse

WHOLE = Tape([sse(*AB, STOP, counted())])


def ask_at(
    client: AnyClient, base_url: str, kind: str = "openai_compatible"
) -> Outcome:
    endpoint = Endpoint(kind, KEY, base_url)
    messages = [{"role": "user", "content": "Hi"}]
    return asyncio.run(collect(Prompt(endpoint, "some-model", messages), client))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.1"),
        *("::1", "fd00::1", "fe80::1%eth0", "fec0::1", "::ffff:127.0.0.1", "::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::808:808"),
        *("2002:7f00:1::", "2001:0:808:808::1", "224.0.0.1", "ff0e::1"),
    ],
)
def test_private_and_shared_addresses_are_not_public(address: str) -> None:
    assert not addresses.is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are(address: str) -> None:
    assert addresses.is_public(address)


# Of pydantic, when LiteLLM first imports some providers' code.
@pytest.mark.filterwarnings("ignore:Items .* on TypedDict:UserWarning")
@pytest.mark.parametrize(
    "kind", ["openai_compatible", "cohere_chat", "huggingface", "anthropic", "ollama"]
)
@pytest.mark.parametrize("client", [LiteLLMClient, FastClient])
def test_no_lane_follows_a_redirect(client: type[AnyClient], kind: str) -> None:
    with Playback(WHOLE) as inside:
        away = Tape(status=307, headers=[f"Location: {inside.url}/x"])
        with Playback(away) as server:
            error = ask_at(client(), server.url, kind).error
            assert isinstance(error, errors.ProviderBadRequest), error
            assert server.paths
        assert inside.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "rebound.example"])
@pytest.mark.parametrize("lanes", [{}, {"*": "litellm"}], ids=["fast", "litellm"])
def test_private_addresses_are_refused_when_a_connection_is_made(
    lanes: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = socket.getaddrinfo

    def look_up(name: str, *rest: object, **more: object) -> object:
        return usual("127.0.0.1" if name == host else name, *rest, **more)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with Playback(WHOLE) as server:
        url = server.url.replace("127.0.0.1", host)
        assert ask_at(FastClient(lanes), url).text == "ab"
        reached = server.connections
        refused = ask_at(FastClient(lanes, private_addresses=False), url)
        assert isinstance(refused.error, errors.ProviderUnavailable)
        assert server.connections == reached


@pytest.mark.parametrize("lanes", [{}, {"*": "litellm"}], ids=["fast", "litellm"])
def test_the_local_model_is_always_reached(lanes: dict[str, str]) -> None:
    with Playback(WHOLE) as server:
        client = FastClient(lanes, private_addresses=False)
        assert ask_at(client, server.url, "local").text == "ab"


@pytest.mark.parametrize("lanes", [{}, {"*": "litellm"}], ids=["fast", "litellm"])
def test_the_machines_proxy_may_have_a_private_address(
    lanes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Playback(WHOLE) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "")
        addresses.proxy_of.cache_clear()
        client = FastClient(lanes, private_addresses=False)
        assert ask_at(client, "http://provider.example/v1").text == "ab"
        addresses.proxy_of.cache_clear()
