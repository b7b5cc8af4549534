"""Which addresses of the network may be called, checked when a connection is made.

A name's address can change between two look-ups, so that only the address a socket is
about to connect to says where a call goes. llm.session and llm._clients ask here.
"""

import ipaddress
import socket
import urllib.request
from contextvars import ContextVar
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# A gateway turns the last 32 bits of the first into an IPv4 address (RFC 6052). The
# second is for gateways within one network and may lead anywhere in it (RFC 8215), the
# third is the older fc00::/7, which ipaddress takes for public.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_PRIVATE: Final = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("fec0::/10"),
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
    told = [found, *_inside(found)]
    if isinstance(found, ipaddress.IPv6Address) and found.sixtofour:
        told.remove(found)  # Python's versions differ on these; what is inside decides
    return not any(found in network for network in _PRIVATE) and all(
        each.is_global and not each.is_multicast for each in told
    )


def _inside(found: IPAddress) -> tuple[IPAddress, ...]:
    """The IPv4 addresses that an IPv6 address stands for."""
    if isinstance(found, ipaddress.IPv4Address):
        return ()
    inner: list[IPAddress] = [*(found.teredo or ())]
    inner += [each for each in (found.ipv4_mapped, found.sixtofour) if each]
    if found in _NAT64 or int(found) >> 32 == 0:  # or "IPv4-compatible", long gone
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


@lru_cache(maxsize=1024)
def proxy_of(url: str) -> str | None:
    """The proxy for an address as the machine is set up (HTTPS_PROXY, NO_PROXY).

    It connects for us, and may well have a private address itself.
    """
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)
