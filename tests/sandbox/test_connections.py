"""Lost answers and dropped connections, seen by a client that knows nothing of HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Aimlapi, Fal, Pixazo, Runware


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[socket.socket]:
    """A bare TCP connection to the sandbox."""
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as connection:
        yield connection


def say(wire: socket.socket, fal: Fal, body: Any) -> None:
    raw = json.dumps(body).encode()
    path = f"/fal/queue/{fal.model}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{fal.sandbox.port}\r\n"
        f"Authorization: {fal.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    )
    wire.sendall(head.encode() + raw)


def hear(wire: socket.socket) -> bytes:
    """Everything until the other side ends."""
    heard = b""
    while chunk := wire.recv(65536):
        heard += chunk
    return heard


def test_a_lost_answer_is_a_purchase_and_not_a_byte(
    wire: socket.socket, fal: Fal, sandbox: Sandbox
) -> None:
    """The connection ends without one byte of an answer; the purchase was counted."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
    say(wire, fal, fal.input())
    assert hear(wire) == b""
    assert sandbox.counts().accepted("fal") == 1


def test_a_lost_answer_can_be_a_reset(wire: socket.socket, fal: Fal, sandbox: Sandbox) -> None:
    """The kernel says "connection reset by peer"."""
    effect = {"kind": "lost_answer", "reset": True}
    sandbox.faults.add({"operation": "submit", "effect": effect})
    say(wire, fal, fal.input())
    with pytest.raises(ConnectionResetError):
        hear(wire)
    assert sandbox.counts().accepted("fal") == 1


def test_a_dropped_connection_is_no_purchase(
    wire: socket.socket, fal: Fal, sandbox: Sandbox
) -> None:
    """The connection ends just the same; nothing was bought."""
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "dropped"}})
    say(wire, fal, fal.input())
    assert hear(wire) == b""
    assert sandbox.counts().accepted("fal") == 0


def test_an_answer_comes_where_nothing_goes_wrong(
    wire: socket.socket, fal: Fal, sandbox: Sandbox
) -> None:
    """The same bytes without a rule are answered: the tests above would see an answer."""
    say(wire, fal, fal.input())
    assert wire.recv(12) == b"HTTP/1.1 200"
    assert sandbox.counts().accepted("fal") == 1


@pytest.mark.parametrize("vendor", ["runware", "fal", "pixazo", "aimlapi"])
def test_every_vendor_can_lose_an_answer(
    vendor: str, sandbox: Sandbox, request: pytest.FixtureRequest
) -> None:
    """After the purchase, on a connection that was used before; the next one works."""
    client: Runware | Fal | Pixazo | Aimlapi = request.getfixturevalue(vendor)

    def submit() -> httpx.Response:
        return client.post(client.task()) if vendor == "runware" else client.submit()  # type: ignore[union-attr]

    assert submit().is_success
    sandbox.faults.add({"operation": "submit", "times": 1, "effect": {"kind": "lost_answer"}})
    with pytest.raises(httpx.RemoteProtocolError):
        submit()
    assert submit().is_success
    assert sandbox.counts().accepted() == 3


def test_other_connections_live_on(fal: Fal, sandbox: Sandbox) -> None:
    """Only the connection that was meant is closed."""
    with httpx.Client(trust_env=False) as other:
        url = f"{sandbox.url}/control/counts"
        assert other.get(url).status_code == 200
        sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
        with pytest.raises(httpx.RemoteProtocolError):
            fal.submit()
        assert other.get(url).json()["vendors"]["fal"]["accepted"] == 1


def test_a_truncated_video_stops_on_the_wire(
    wire: socket.socket, fal: Fal, sandbox: Sandbox
) -> None:
    """The whole length is announced, a part is sent, the connection ends."""
    url = fal.result(fal.submit().json()).json()["video"]["url"]
    sandbox.faults.add({"effect": {"kind": "truncated", "keep": 0.25}})
    wire.sendall(f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = hear(wire).partition(b"\r\n\r\n")
    announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == announced // 4
