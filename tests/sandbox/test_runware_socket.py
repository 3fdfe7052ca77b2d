"""Runware's WebSocket: the same tasks, with the key in the first message."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Runware


@pytest.fixture
def socket(sandbox: Sandbox) -> Iterator[ClientConnection]:
    address = sandbox.url.replace("http://", "ws://") + "/runware/v1"
    connection: ClientConnection = connect(address, proxy=None)
    yield connection
    connection.close()


def ask(socket: ClientConnection, *tasks: dict[str, Any]) -> Any:
    socket.send(json.dumps(tasks))
    return json.loads(socket.recv(timeout=10))


def hello(sandbox: Sandbox, **more: str) -> dict[str, str]:
    return {"taskType": "authentication", "apiKey": sandbox.settings.runware.key, **more}


def test_authentication_names_the_session(socket: ClientConnection, sandbox: Sandbox) -> None:
    """The reply carries `connectionSessionUUID`; an old one is taken up again."""
    (item,) = ask(socket, hello(sandbox))["data"]
    assert item["taskType"] == "authentication"
    assert uuid.UUID(item["connectionSessionUUID"]).version == 4
    old = str(uuid.uuid4())
    (again,) = ask(socket, hello(sandbox, connectionSessionUUID=old))["data"]
    assert again["connectionSessionUUID"] == old


def test_nothing_is_done_without_a_key(socket: ClientConnection, runware: Runware) -> None:
    """A task before the authentication, or after a wrong one, is refused."""
    assert ask(socket, runware.task())["errors"][0]["code"] == "missingApiKey"
    wrong = {"taskType": "authentication", "apiKey": "wrong"}
    assert ask(socket, wrong)["errors"][0]["code"] == "invalidApiKey"
    assert ask(socket, runware.task())["errors"][0]["code"] == "missingApiKey"
    assert runware.sandbox.counts().accepted() == 0


def test_ping_is_answered_with_pong(socket: ClientConnection, sandbox: Sandbox) -> None:
    """The heartbeat of the official clients."""
    ask(socket, hello(sandbox))
    pong = ask(socket, {"taskType": "ping", "ping": True})
    assert pong == {"data": [{"taskType": "ping", "pong": True}]}


def test_a_job_runs_over_the_socket(
    socket: ClientConnection, sandbox: Sandbox, runware: Runware, until: Any
) -> None:
    """Submission, poll and result are the same as over HTTP."""
    ask(socket, hello(sandbox))
    task = runware.task()
    (echo,) = ask(socket, task)["data"]
    poll = {"taskType": "getResponse", "taskUUID": task["taskUUID"]}
    (item,) = until(
        lambda: [item for item in ask(socket, poll)["data"] if item["status"] == "success"]
    )
    assert echo["taskUUID"] == item["taskUUID"] == task["taskUUID"]
    assert runware.ask(task["taskUUID"]).json()["data"] == [item]


def test_data_and_errors_come_in_messages_of_their_own(
    socket: ClientConnection, sandbox: Sandbox, runware: Runware
) -> None:
    """The official client overlooks data beside errors, so they are never in one message."""
    ask(socket, hello(sandbox))
    good, bad = runware.task(), runware.task(ttl=1)
    first = ask(socket, good, bad)
    second = json.loads(socket.recv(timeout=10))
    assert [item["taskUUID"] for item in first["data"]] == [good["taskUUID"]]
    assert [error["taskUUID"] for error in second["errors"]] == [bad["taskUUID"]]
    assert "errors" not in first


def test_a_message_must_be_an_array(socket: ClientConnection) -> None:
    """Anything else is refused, and the socket stays open."""
    for text in ("{}", "nonsense"):
        socket.send(text)
        body = json.loads(socket.recv(timeout=10))
        assert body["errors"][0]["code"] == "invalidRequestBody"


def test_the_socket_can_be_cut_after_a_purchase(
    socket: ClientConnection, sandbox: Sandbox, runware: Runware
) -> None:
    """The answer is lost, the purchase is not."""
    ask(socket, hello(sandbox))
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
    socket.send(json.dumps([runware.task()]))
    with pytest.raises(ConnectionClosed):
        socket.recv(timeout=10)
    assert sandbox.counts().accepted("runware") == 1
