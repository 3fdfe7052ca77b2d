"""An address as written -> what kind of place it names. Looks nothing up: the connection does.

Judged while planning, so that a row whose media no vendor could reach is rejected before money.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

INNER_NAMES = ("localhost", "local", "internal", "lan", "home.arpa")
"""Endings of names that are known inside one network only."""
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
"""All that is handed out for the open network; the rest is special, or nobody's yet."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address in its last 32 bits, reached through the provider's translator."""
_SPECIAL = (
    ipaddress.IPv4Network("192.0.0.0/24"),  # one cloud serves its machines' secrets there
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("3fff::/20"),
)
"""Special whatever this Python's own list says: it has grown from release to release."""
_NUMBERED = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}")
_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#@]*@", re.IGNORECASE)
_PASSWORD_WITH_SLASH = re.compile(
    r"^([a-z][a-z0-9+.-]*://)[^/?#@:]+:(?!\d+/)[^?#]*@", re.IGNORECASE
)
_SECRET = re.compile(
    r"([?&][^=&#]*(?:passw|pwd|token|key|secret|sig|credential)[^=&#]*=)[^&#]*", re.IGNORECASE
)


def is_web(address: str) -> bool:
    """Whether it is an http or https address, which others could ask for too."""
    return address.lower().startswith(("http://", "https://"))


def is_public(address: str) -> bool:
    """Whether it is an https address outside this machine and its networks."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return False
    return parts.scheme == "https" and _is_public_host(host)


def _is_public_host(host: str) -> bool:
    try:
        return is_public_number(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    if _NUMBERED.fullmatch(host):  # 127.1, 2130706433, 0x7f.1: numbers in a disguise
        return False
    return "." in host and not any(host.endswith(f".{name}") for name in INNER_NAMES)


def is_public_number(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an IP address lies outside this machine and its networks."""
    if isinstance(number, ipaddress.IPv6Address):
        wrapped = _wrapped(number)
        if wrapped is not None:
            return is_public_number(wrapped)
        if number not in _PUBLIC_IPV6:
            return False
    if any(number.version == net.version and number in net for net in _SPECIAL):
        return False
    return number.is_global and not number.is_multicast


def _wrapped(number: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address only wraps: where its packets end up."""
    if number in _NAT64:
        return ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
    return number.ipv4_mapped or number.sixtofour


def without_credentials(address: str) -> str:
    """The address without what opens doors: user, password, signatures in the query."""
    bare = _USER.sub(r"\1", _PASSWORD_WITH_SLASH.sub(r"\1", address))
    return _SECRET.sub(r"\1***", bare)
