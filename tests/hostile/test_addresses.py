"""A delivery address that leads into our own network is not followed, however it is dressed."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import pytest

from omnihuman_blocks.domain.addresses import is_public, is_public_number
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.errors import Refused, Transient

OURS = {
    "loopback": "127.0.0.1",
    "another loopback": "127.8.8.8",
    "this host": "0.0.0.0",  # noqa: S104 - an address like the others
    "private": "10.1.2.3",
    "private, too": "172.16.0.1",
    "at home": "192.168.1.1",
    "the provider's own": "100.64.0.1",
    "a cloud's secrets": "169.254.169.254",
    "another cloud's": "192.0.0.192",
    "to everybody": "255.255.255.255",
    "to a group": "224.0.0.1",
    "IPv6 loopback": "::1",
    "IPv6 nothing": "::",
    "IPv6 link": "fe80::1",
    "IPv6 private": "fd12:3456::1",
    "IPv6 site": "fec0::1",
    "IPv6 group": "ff0e::1",
    "mapped": "::ffff:127.0.0.1",
    "mapped, as digits": "::ffff:a00:1",
    "translated": "::ffff:0:127.0.0.1",
    "compatible": "::127.0.0.1",
    "through the translator": "64:ff9b::127.0.0.1",
    "secrets through the translator": "64:ff9b::169.254.169.254",
    "the network's own translator": "64:ff9b:1::8.8.8.8",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:7f00:1::",
    "in books only": "2001:db8::1",
}
OPEN = ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8")
DISGUISED = ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.0.1.")


async def _hello(_: str, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello")


def sends_to(location: str) -> Any:
    """The first answer is a redirect; whoever follows it gets a file."""

    async def serve(path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/clip.mp4":
            head = f"HTTP/1.1 302 Found\r\nlocation: {location}\r\nconnection: close\r\n"
            head += "content-length: 0\r\n\r\n"
            writer.write(head.encode())
        else:
            await _hello(path, writer)

    return serve


@pytest.mark.parametrize("number", OURS.values(), ids=OURS.keys())
def test_a_number_of_our_own_network_is_known_in_every_dress(number: str) -> None:
    """Whatever this Python's own list of special addresses says: it grew over the years."""
    assert not is_public_number(ipaddress.ip_address(number))
    host = f"[{number}]" if ":" in number else number
    assert not is_public(f"https://{host}/clip.mp4")


@pytest.mark.parametrize("number", OPEN)
def test_a_number_of_the_open_network_is_one(number: str) -> None:
    """Also where a network that speaks IPv6 only reaches it through its translator."""
    assert is_public_number(ipaddress.ip_address(number))


async def test_a_public_address_is_read(http: Http, stranger: Any) -> None:
    """The guard lets honest files through: what is refused below is refused for a reason."""
    stranger.serve = _hello
    assert await http.read(stranger.url(), local=False, most=10) == b"hello"
    assert stranger.dialled == ["93.184.216.34"]


@pytest.mark.parametrize("number", [*OURS.values(), *DISGUISED])
async def test_a_name_or_number_that_leads_to_us_is_never_dialled(
    http: Http, stranger: Any, number: str
) -> None:
    """As the host itself, as what a name resolves to, and as the second of two answers."""
    stranger.names["rebind.stranger.test"] = [number]
    stranger.names["half.stranger.test"] = ["93.184.216.34", number]
    host = f"[{number}]" if ":" in number else number
    disguised = number in DISGUISED  # some resolvers do not understand these at all
    hosts = [host] if disguised else [host, "rebind.stranger.test", "half.stranger.test"]
    words = "own network|not known|no usable" if disguised else "own network"
    for each in hosts:
        with pytest.raises((Refused, Transient), match=words):
            await http.read(stranger.url(host=each), local=False, most=10)
    assert stranger.dialled == stranger.asked == []


async def test_a_name_is_asked_once_for_each_connection(
    http: Http, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was judged is what is dialled: a name that answers differently later gains nothing."""
    stranger.serve = _hello
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    lookup = stranger.getaddrinfo

    def changing(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host == "cdn.stranger.test":
            stranger.names[host] = next(answers)
        return list(lookup(host, port, *more, **named))

    monkeypatch.setattr("socket.getaddrinfo", changing)
    assert await http.read(stranger.url(), local=False, most=10) == b"hello"
    with pytest.raises(Refused, match="own network"):
        await http.read(stranger.url(), local=False, most=10)
    assert stranger.dialled == ["93.184.216.34"]


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1:{port}/secret",
        "https://[::1]:{port}/secret",
        "https://rebind.stranger.test:{port}/secret",
        "//2130706433:{port}/secret",
        "http://cdn.stranger.test:{port}/secret",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_from_a_public_address_to_us_is_not_followed(
    http: Http, stranger: Any, location: str
) -> None:
    """Each hop is judged like the first one, also the way back from https to http."""
    stranger.names["rebind.stranger.test"] = ["192.168.0.1"]
    stranger.serve = sends_to(location.format(port=stranger.port))
    with pytest.raises(Refused):
        await http.read(stranger.url(), local=False, most=10)
    assert stranger.asked == ["/clip.mp4"]
    assert set(stranger.dialled) == {"93.184.216.34"}


async def test_a_redirect_to_another_public_address_is_followed(http: Http, stranger: Any) -> None:
    """A content network does that every day."""
    stranger.serve = sends_to(stranger.url("/there", host="other.stranger.test"))
    assert await http.read(stranger.url(), local=False, most=10) == b"hello"
    assert stranger.asked == ["/clip.mp4", "/there"]


async def test_a_name_that_nobody_knows_may_be_known_later(http: Http, stranger: Any) -> None:
    """A resolver that stumbles is no reason to give a paid video up."""
    with pytest.raises(Transient, match="not known"):
        await http.read(stranger.url(host="nobody.stranger.test"), local=False, most=10)
