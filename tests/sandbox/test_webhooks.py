"""Callbacks that are signed, doubled, early, missing or forged."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    import httpx

    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Fal, Heard, Listener, Pixazo, Runware


def is_signed(call: Heard, jwks: Any) -> bool:
    """fal's rule: Ed25519 over id, user, time and the digest of the body, one line each."""
    headers = call.headers
    parts = [headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp")]
    message = "\n".join([*parts, hashlib.sha256(call.body).hexdigest()]).encode()
    signature = bytes.fromhex(headers["x-fal-webhook-signature"])
    for key in jwks["keys"]:
        raw = base64.urlsafe_b64decode(key["x"] + "=" * (-len(key["x"]) % 4))
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
        except InvalidSignature:
            continue
        return abs(time.time() - int(headers["x-fal-webhook-timestamp"])) < 300
    return False


def jwks(http: httpx.Client, sandbox: Sandbox) -> Any:
    return http.get(f"{sandbox.url}/fal/rest/.well-known/jwks.json").json()


def test_fals_webhook_carries_the_result_and_a_signature(
    fal: Fal, listener: Listener, sandbox: Sandbox
) -> None:
    """`status: OK` with the output; the signature fits the published key, and only this body."""
    submitted = fal.submit(params={"fal_webhook": f"{listener.url}?job=9"}).json()
    (call,) = listener.wait()
    body = call.json
    assert call.path == "/hook?job=9"
    assert body["request_id"] == submitted["request_id"]
    assert body["gateway_request_id"] == submitted["gateway_request_id"]
    assert (body["status"], body["payload"]) == ("OK", fal.result(submitted).json())
    keys = jwks(fal.http, sandbox)
    assert keys["keys"][0]["kty"] == "OKP"
    assert is_signed(call, keys)
    other = type(call)(call.method, call.path, call.headers, call.body + b" ", call.moment)
    assert not is_signed(other, keys)


def test_fals_webhook_tells_of_a_failure(fal: Fal, listener: Listener, sandbox: Sandbox) -> None:
    """`status: ERROR` with the status of the result and the detail."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "content"}})
    fal.submit(params={"fal_webhook": listener.url})
    (call,) = listener.wait()
    assert (call.json["status"], call.json["error"]) == ("ERROR", "Invalid status code: 422")
    assert call.json["payload"]["detail"][0]["type"] == "content_policy_violation"


def test_without_a_webhook_nobody_is_called_and_no_gateway_is_named(fal: Fal) -> None:
    """`gateway_request_id` comes with the webhook only."""
    assert "gateway_request_id" not in fal.submit().json()


def test_a_callback_can_come_twice(runware: Runware, listener: Listener, sandbox: Sandbox) -> None:
    """The same body two times."""
    sandbox.faults.add({"effect": {"kind": "twice"}})
    runware.post(runware.task(webhookURL=listener.url))
    first, second = listener.wait(2)
    assert first.body == second.body


def test_a_callback_can_come_before_the_answer(
    fal: Fal, listener: Listener, sandbox: Sandbox
) -> None:
    """The receiver has the ticket before the client has."""
    sandbox.faults.add({"effect": {"kind": "early"}})
    answer = fal.submit(params={"fal_webhook": listener.url})
    answered = time.monotonic()
    (call,) = listener.heard
    assert call.moment < answered
    assert call.json["request_id"] == answer.json()["request_id"]


def test_a_callback_can_stay_away(
    pixazo: Pixazo, listener: Listener, sandbox: Sandbox, until: Any
) -> None:
    """The job ends, and nobody is called."""
    sandbox.faults.add({"id": "silence", "effect": {"kind": "never"}})
    pixazo.ended(pixazo.submit(**{"X-Webhook-URL": listener.url}).json())
    sandbox.faults.remove("silence")
    loud = pixazo.submit(**{"X-Webhook-URL": listener.url}).json()
    listener.wait()
    until(lambda: sandbox.counts().purchases[1].webhooks == 1)
    assert [call.json["request_id"] for call in listener.heard] == [loud["request_id"]]
    assert [bought.webhooks for bought in sandbox.counts().purchases] == [0, 1]


def test_fals_forged_callback_fails_the_signature(
    fal: Fal, listener: Listener, sandbox: Sandbox
) -> None:
    """It comes first, names another video, and is signed by a key that nobody published."""
    sandbox.faults.add({"effect": {"kind": "forged"}})
    submitted = fal.submit(params={"fal_webhook": listener.url}).json()
    forged, real = listener.wait(2)
    keys = jwks(fal.http, sandbox)
    assert forged.json["request_id"] == submitted["request_id"]
    assert forged.json["payload"] != real.json["payload"]
    assert (is_signed(forged, keys), is_signed(real, keys)) == (False, True)


@pytest.mark.parametrize("vendor", ["runware", "pixazo"])
def test_unsigned_forgeries_look_like_the_real_thing(
    runware: Runware, pixazo: Pixazo, listener: Listener, sandbox: Sandbox, vendor: str
) -> None:
    """Only the address differs, and it leads nowhere."""
    sandbox.faults.add({"effect": {"kind": "forged"}})
    if vendor == "runware":
        runware.post(runware.task(webhookURL=listener.url))
        forged, real = (call.json for call in listener.wait(2))
        address = forged["videoURL"]
    else:
        pixazo.submit(**{"X-Webhook-URL": listener.url})
        forged, real = (call.json for call in listener.wait(2))
        (address,) = forged["output"]["media_url"]
    assert runware.http.get(address).status_code == 404
    assert set(forged) <= {*real, "cost"}


@pytest.mark.parametrize("address", ["file:///etc/hostname", "http://[", "hook", "ftp://x/y"])
def test_callbacks_go_to_web_addresses_only(
    fal: Fal, runware: Runware, pixazo: Pixazo, address: str
) -> None:
    """Anything else is refused at submission, and nothing is bought."""
    answers = [
        fal.submit(params={"fal_webhook": address}),
        runware.post(runware.task(webhookURL=address)),
        pixazo.submit(**{"X-Webhook-URL": address}),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert fal.sandbox.counts().accepted() == 0


def test_a_redirect_is_no_delivery(fal: Fal, listener: Listener) -> None:
    """A receiver that answers 302 is called again at the same address."""
    listener.statuses = [302]
    fal.submit(params={"fal_webhook": listener.url})
    first, second = listener.wait(2)
    assert first.path == second.path


def test_a_slow_receiver_holds_up_nobody(fal: Fal, sandbox: Sandbox, listener: Listener) -> None:
    """While a callback hangs, requests are answered."""
    hanging = threading.Event()
    sandbox.settings.webhook_timeout_seconds = 100
    with _deaf_server(hanging) as address:
        fal.submit(params={"fal_webhook": address})
        assert hanging.wait(10)
        began = time.monotonic()
        assert fal.submit().status_code == 200
        assert time.monotonic() - began < 60
    assert listener.heard == []


class _deaf_server:  # noqa: N801 - used like a function
    """Accepts a connection, says that it has, and never answers."""

    def __init__(self, hanging: threading.Event) -> None:
        import socket  # noqa: PLC0415

        self._hanging = hanging
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._held: list[Any] = []

    def _listen(self) -> None:
        connection, _ = self._socket.accept()
        self._held.append(connection)
        self._hanging.set()

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/hook"

    def __exit__(self, *_: object) -> None:
        for connection in self._held:
            connection.close()
        self._socket.close()
