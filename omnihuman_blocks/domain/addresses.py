"""An address as written -> what kind of place it names. Looks nothing up: the connection does.

Judged while planning, so that a row whose media no vendor could reach is rejected before money.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

INNER_NAMES = ("localhost", "local", "internal", "lan", "home.arpa")
"""Endings of names that are known inside one network only."""
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
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    return number.is_global and not number.is_multicast


def without_credentials(address: str) -> str:
    """The address without what opens doors: user, password, signatures in the query."""
    bare = _USER.sub(r"\1", _PASSWORD_WITH_SLASH.sub(r"\1", address))
    return _SECRET.sub(r"\1***", bare)
