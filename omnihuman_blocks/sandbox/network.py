"""Requests that the sandbox itself makes, and what may be said of their addresses."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Straight(urllib.request.HTTPRedirectHandler):
    """A redirect is an error like any other answer that is not 2xx."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def is_web(address: str) -> bool:
    """An http(s) address that names a host."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """An address on this machine."""
    return is_web(address) and urlsplit(address).hostname in LOOPBACK


def opener(address: str, *, follows: bool) -> urllib.request.OpenerDirector:
    """What opens an address: straight where it is on this machine."""
    handlers: list[urllib.request.BaseHandler] = [] if follows else [_Straight()]
    if is_loopback(address):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)
