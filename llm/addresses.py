"""Which addresses of the network may be called, checked when a connection is made.

A name's address can change between two look-ups, so that only the address a socket is
about to connect to says where a call goes. llm.session and llm._clients ask here.
"""

import ipaddress
import socket
from contextvars import ContextVar
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6052 and RFC 8215: a gateway turns the last 32 bits into an IPv4 address.
_NAT64: Final = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)

# Whether connections that LiteLLM's clients open in this context are checked.
guarded: Final[ContextVar[bool]] = ContextVar("guarded", default=False)

# What getaddrinfo returns: family, type, protocol, canonical name, address.
AddressInfo = tuple[int, int, int, str, tuple[str | int | bytes, ...]]


class PrivateAddressError(OSError):
    """A connection into a private network was asked for and is not allowed."""


def is_public(address: str) -> bool:
    """Whether an IP address, as text, is one of the public internet's machines.

    An IPv4 address inside an IPv6 one counts, as gateways unwrap it. Raises ValueError
    for what is no address.
    """
    found: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    return all(
        each.is_global and not each.is_multicast for each in (found, *_inside(found))
    )


def _inside(found: IPAddress) -> tuple[IPAddress, ...]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(found, ipaddress.IPv4Address):
        return ()
    inner: list[IPAddress] = [*(found.teredo or ())]
    inner += [each for each in (found.ipv4_mapped, found.sixtofour) if each]
    if any(found in network for network in _NAT64) or int(found) >> 32 == 0:
        inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    return tuple(inner)


def require_public(info: AddressInfo) -> None:
    """Raises PrivateAddressError, which HTTP clients take for a failed connection."""
    if not is_public(str(info[4][0])):
        raise PrivateAddressError("the address belongs to a private network")


def guarded_socket(info: AddressInfo) -> socket.socket:
    """A new socket for a public address; aiohttp's `socket_factory`."""
    require_public(info)
    return socket.socket(info[0], info[1], info[2])
