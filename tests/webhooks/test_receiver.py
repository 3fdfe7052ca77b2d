"""What comes to a public address: whatever it is, it changes nothing unless it is genuine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from omnihuman_blocks.domain.identity import attempt_uuid
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.ledger.schema import METADATA
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.providers import PROVIDERS, fal_signing
from omnihuman_blocks.providers.base import Seal, Signing
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.wires.fal_signing import Signer
from omnihuman_blocks.walk.accounts import NO_KEY, account
from omnihuman_blocks.walk.walker import Errand, walk
from omnihuman_blocks.webhooks import app, app_for
from omnihuman_blocks.webhooks.keyring import ANEW_SECONDS, KEPT_SECONDS, KeyRing
from omnihuman_blocks.webhooks.serving import bind

Receiver: TypeAlias = Any
OpenHouse: TypeAlias = Any
MakeErrand: TypeAlias = Callable[..., Errand]
"""See `conftest.py`."""


def written(ledger: Ledger) -> dict[str, list[Any]]:
    """Every row of every table but that of processes."""
    tables = [table for table in METADATA.sorted_tables if table.name != "owners"]
    return {
        table.name: ledger._store.read(lambda tx, table=table: tx.run(sa.select(table)).all())  # type: ignore[misc]
        for table in tables
    }


@dataclass(frozen=True)
class Bought:
    """One purchase at each vendor, in doubt, waiting for its callback."""

    receiver: Receiver
    sandbox: Sandbox
    jobs: dict[str, Errand]
    tickets: dict[str, str]
    http: httpx.Client

    def token(self, vendor: str) -> str:
        found: str = self.receiver.token(self.jobs[vendor].job.key)
        return found

    def body(self, vendor: str) -> bytes:
        name = "taskUUID" if vendor == "runware" else "request_id"
        return json.dumps({name: self.tickets[vendor], "status": "OK"}).encode()

    def call(
        self,
        vendor: str,
        body: bytes | Iterator[bytes] | None = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> int:
        url = f"{self.receiver.url}/{vendor}/{token or self.token(vendor)}"
        content = self.body(vendor if vendor in self.tickets else "fal") if body is None else body
        return self.http.post(url, content=content, headers=headers or {}).status_code

    def signed(self, body: bytes, *, age: float = 0.0) -> dict[str, str]:
        """As fal signs it, some time ago."""
        assert self.sandbox.house is not None
        signer: Signer = self.sandbox.house.wires["fal"].signer  # type: ignore[attr-defined]
        parts = [self.tickets["fal"], "user", str(int(time.time() - age))]
        message = "\n".join([*parts, hashlib.sha256(body).hexdigest()]).encode()
        names = [fal_signing.PART.format(name) for name in ("request-id", "user-id", "timestamp")]
        signature = {fal_signing.PART.format("signature"): signer.key.sign(message).hex()}
        return dict(zip(names, parts, strict=True)) | signature

    def is_unmoved(self) -> bool:
        states = [self.receiver.state(errand.job.key) for errand in self.jobs.values()]
        return all(state.stage is Stage.IN_DOUBT for state in states)


@pytest.fixture
async def bought(sandbox: Sandbox, receiver: Receiver, house: OpenHouse, errand: MakeErrand) -> Any:
    """The sandbox calls nobody here: the test does."""
    sandbox.faults.add({"effect": {"kind": "never"}})
    sandbox.faults.add({"operation": "submit", "effect": {"kind": "lost_answer"}})
    jobs = {vendor: errand(vendor) for vendor in ("runware", "fal", "pixazo")}
    async with house(receiver.url) as here:
        for one in jobs.values():
            await walk(here, one, until=(Stage.IN_DOUBT,))
    tickets = {str(one.vendor): one.ticket for one in sandbox.counts().purchases}
    with httpx.Client(timeout=20, trust_env=False) as http:
        yield Bought(receiver, sandbox, jobs, tickets, http)


ANY_TOKEN = "x" * 32
LIES: dict[str, tuple[str, Callable[[Bought], int]]] = {
    "a token that nobody gave out": ("unknown", lambda b: b.call("pixazo", token=ANY_TOKEN)),
    "a token that is none": ("unknown", lambda b: b.call("pixazo", token="%00'--")),
    "another vendor's token": ("unknown", lambda b: b.call("pixazo", token=b.token("runware"))),
    "a vendor that never calls": ("unknown", lambda b: b.call("aimlapi", token=b.token("fal"))),
    "a vendor that nobody knows": ("unknown", lambda b: b.call("nobody", token=b.token("fal"))),
    "another buyer's task": (
        "forged",
        lambda b: b.call(
            "runware", json.dumps({"taskUUID": attempt_uuid(JobKey("0" * 64), 1)}).encode()
        ),
    ),
    "fal without a signature": ("forged", lambda b: b.call("fal")),
    "fal with another body": ("forged", lambda b: b.call("fal", headers=b.signed(b"another"))),
    "fal from an hour ago": (
        "replayed",
        lambda b: b.call("fal", headers=b.signed(b.body("fal"), age=3600)),
    ),
    "fal from tomorrow": (
        "replayed",
        lambda b: b.call("fal", headers=b.signed(b.body("fal"), age=-86400)),
    ),
    "no JSON": ("malformed", lambda b: b.call("pixazo", b"<html>")),
    "no object": ("malformed", lambda b: b.call("pixazo", b"[]")),
    "no body": ("malformed", lambda b: b.call("pixazo", b"")),
    "no id": ("malformed", lambda b: b.call("pixazo", b'{"request_id": 7}')),
    "an endless id": (
        "malformed",
        lambda b: b.call("pixazo", json.dumps({"request_id": "x" * 500}).encode()),
    ),
    "signed nonsense": ("malformed", lambda b: b.call("fal", b"?", headers=b.signed(b"?"))),
    "too much, announced": ("oversized", lambda b: b.call("pixazo", bytes(app.MOST_BYTES + 1))),
    "too much, in pieces": (
        "oversized",
        lambda b: b.call("pixazo", (bytes(65536) for _ in range(app.MOST_BYTES // 65536 + 1))),
    ),
}
STATUSES = {"unknown": 404, "forged": 403, "replayed": 403, "malformed": 400, "oversized": 413}


async def test_lies_change_nothing_and_are_counted(
    bought: Bought, caplog: pytest.LogCaptureFixture
) -> None:
    """Each kind of them, one after the other; the ledger is the same to the last row."""
    caplog.set_level(logging.DEBUG)
    before = written(bought.receiver.ledger)
    counted: dict[str, int] = {}
    for name, (verdict, tell) in LIES.items():
        assert await asyncio.to_thread(tell, bought) == STATUSES[verdict], name
        counted[verdict] = counted.get(verdict, 0) + 1
        assert bought.receiver.counted() == counted, name
    assert written(bought.receiver.ledger) == before
    assert bought.is_unmoved()
    health = bought.http.get(f"{bought.receiver.url}/health").json()
    assert {name: count for name, count in health["callbacks"].items() if count} == counted
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    logged = "\n".join(record.getMessage() for record in ours)
    assert "callback of fal about job" in logged
    assert not [vendor for vendor in bought.jobs if bought.token(vendor) in logged]


async def test_the_truth_is_taken_after_all_the_lies(bought: Bought) -> None:
    """The same addresses, with what the vendor would say; then again, which changes nothing."""
    headers = bought.signed(bought.body("fal"))
    for vendor in bought.jobs:
        extra = headers if vendor == "fal" else None
        assert await asyncio.to_thread(bought.call, vendor, headers=extra) == 200
        state = bought.receiver.state(bought.jobs[vendor].job.key)
        assert (state.stage, state.ticket.id) == (Stage.ACCEPTED, bought.tickets[vendor])
    before = written(bought.receiver.ledger)
    for vendor in bought.jobs:
        extra = headers if vendor == "fal" else None
        assert await asyncio.to_thread(bought.call, vendor, headers=extra) == 200
    assert written(bought.receiver.ledger) == before
    assert bought.receiver.counted() == {"adopted": 3, "repeated": 3}


async def test_whoever_knows_one_token_cannot_do_much(
    bought: Bought, caplog: pytest.LogCaptureFixture
) -> None:
    """A second id for the same purchase is kept as a purchase too many, and looked at."""
    assert await asyncio.to_thread(bought.call, "pixazo") == 200
    other = json.dumps({"request_id": "another"}).encode()
    assert await asyncio.to_thread(bought.call, "pixazo", other) == 200
    state = bought.receiver.state(bought.jobs["pixazo"].job.key)
    assert (state.ticket.id, state.further_tickets) == (bought.tickets["pixazo"], ("another",))
    assert bought.receiver.counted() == {"adopted": 1, "stray": 1}
    assert [record.levelname for record in caplog.records if "stray" in record.message] == [
        "WARNING"
    ]


def test_other_requests_are_answered_and_not_counted(receiver: Receiver) -> None:
    """Whoever looks around learns that nothing is here."""
    with httpx.Client(timeout=20, trust_env=False, base_url=receiver.url) as http:
        assert http.get("/fal/" + ANY_TOKEN).status_code == 404
        assert http.get("/").status_code == 404
        assert http.put("/fal/" + ANY_TOKEN).status_code == 405
        assert http.post("/").status_code == 404
        assert http.get("/prefix/health").json()["ok"] is True
    assert receiver.counted() == {"unknown": 1}


async def test_a_body_that_never_ends_is_given_up(
    bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is not held by whoever sends a byte an hour; nor by who hangs up."""
    monkeypatch.setattr(app, "BODY_SECONDS", 0.2)
    where = urlsplit(bought.receiver.url)
    head = (
        f"POST /pixazo/{bought.token('pixazo')} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{"
    )

    def send(*, hang_up: bool) -> bytes:
        with socket.create_connection((where.hostname or "", where.port or 0), 20) as line:
            line.sendall(head.encode())
            return b"" if hang_up else line.recv(100)

    assert b" 400 " in await asyncio.to_thread(lambda: send(hang_up=False))
    await asyncio.to_thread(lambda: send(hang_up=True))
    assert await bought.receiver.heard(2) == {"malformed": 2}
    assert bought.is_unmoved()


# --- anything whatever --------------------------------------------------------------------------

REAL = "the token of "
places = st.text(max_size=40) | st.tuples(
    st.sampled_from([*PROVIDERS, "", "x"]),
    st.sampled_from([REAL + "fal", REAL + "pixazo", REAL + "runware", "health", "\x00", ANY_TOKEN]),
).map("/".join)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "HEAD", "BREW"]),
    place=places,
    body=st.binary(max_size=200) | st.sampled_from([b'{"taskUUID":"1"}', b'{"request_id":[]}']),
    headers=st.dictionaries(
        st.sampled_from(["x-fal-webhook-signature", "x-fal-webhook-timestamp", "content-type"]),
        st.text(st.characters(max_codepoint=255), max_size=40),
    ),
)
def test_no_request_is_answered_with_an_error_of_ours(
    bought: Bought, method: str, place: str, body: bytes, headers: dict[str, str]
) -> None:
    """In process, past the server's own checks; real tokens are among them."""
    for vendor in bought.jobs:
        place = place.replace(REAL + vendor, bought.token(vendor))
    scope = {
        "type": "http",
        "method": method,
        "path": f"/{place}",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    with asyncio.Runner() as runner:
        here = app_for(bought.receiver.ledger, environment=bought.sandbox.environment)
        runner.run(here(scope, receive, send))
    assert said[0]["status"] in (200, 400, 403, 404, 405)
    assert said[0]["status"] != 200 or place.endswith("health")
    assert bought.is_unmoved()


# --- fal's keys ---------------------------------------------------------------------------------


async def test_the_keys_are_asked_for_rarely(sandbox: Sandbox) -> None:
    """Once for many callbacks; again after a while, and for a signature that fits none, but not
    for every forgery."""
    now, asked = [0.0], [0]

    def publishing() -> Any:
        asked[0] += 1
        return fal_signing.publishing()

    ring = KeyRing(
        account=account(PROVIDERS["fal"], NO_KEY, sandbox.environment),
        signing=Signing(publishing=publishing, judge=fal_signing.judge),
        clock=lambda: now[0],
    )
    assert sandbox.house is not None
    wire: Any = sandbox.house.wires["fal"]

    async def judged(signer: Signer) -> Seal:
        headers = signer.headers(b"{}", request_id="1", user_id="2")
        return await ring.judge({name.lower(): value for name, value in headers.items()}, b"{}")

    old, new = wire.signer, Signer()
    assert [await judged(old) for _ in range(3)] == [Seal.GENUINE] * 3
    assert [await judged(new) for _ in range(3)] == [Seal.FORGED] * 3
    assert asked == [1]
    wire.signer = new
    try:
        now[0] += ANEW_SECONDS
        assert await judged(new) is Seal.GENUINE
        assert (await judged(old), asked) == (Seal.FORGED, [2])
        now[0] += KEPT_SECONDS
        assert (await judged(new), asked) == (Seal.GENUINE, [3])
    finally:
        wire.signer = old


async def test_without_keys_fal_is_asked_to_call_again(
    sandbox: Sandbox, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is believed, and nothing is called forged."""
    nowhere = sandbox.environment | {"OMNIHUMAN_FAL_REST_URL": "http://127.0.0.1:9"}
    body = bought.body("fal")
    deaf = app_for(bought.receiver.ledger, environment=nowhere)
    transport = httpx.ASGITransport(app=deaf, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        path = f"/fal/{bought.token('fal')}"
        answer = await http.post(path, content=body, headers=bought.signed(body))
    assert answer.status_code == 503
    assert deaf.counts["not_now"] == 1
    assert bought.is_unmoved()


async def test_a_ledger_that_is_gone_is_no_crash(
    bought: Bought, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor is asked to call again, at the address as at the body."""
    path, body = f"/pixazo/{bought.token('pixazo')}", bought.body("pixazo")
    transport = httpx.ASGITransport(app=bought.receiver.app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        for method in ("hear", "by_token"):
            monkeypatch.setattr(bought.receiver.ledger, method, _unusable)
            assert (await http.post(path, content=body)).status_code == 503
    assert bought.receiver.counted() == {"not_now": 2}


def _unusable(*_: object) -> Any:
    from omnihuman_blocks.edges.ledger import LedgerUnusable  # noqa: PLC0415

    raise LedgerUnusable("The disk is full.")


# --- where it can stand -------------------------------------------------------------------------


async def test_it_can_be_mounted_in_another_application(bought: Bought, ledger_file: Any) -> None:
    """By the ledger's address; websockets and other scopes are none of its business."""
    mounted = app_for(ledger_file)
    whole = Starlette(routes=[Mount("/some/where", app=mounted)])
    transport = httpx.ASGITransport(app=whole, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        path = f"/some/where/pixazo/{bought.token('pixazo')}"
        assert (await http.post(path, content=bought.body("pixazo"))).status_code == 200
    assert mounted.counts["adopted"] == 1
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive() -> Any:
        words = ["startup", "shutdown"]
        return {"type": f"lifespan.{words[len(said) - 1]}"}

    await mounted({"type": "websocket"}, receive, send)
    await mounted({"type": "lifespan"}, receive, send)
    ended = ["websocket.close", "lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [message["type"] for message in said] == ended


def test_a_receiver_without_its_ledger_does_not_start(tmp_path: Any) -> None:
    """An empty ledger would call every callback a lie."""
    with pytest.raises(CannotStart, match=r"nowhere\.db"):
        app_for(tmp_path / "nowhere.db")


def test_a_port_that_is_taken_is_told() -> None:
    """With what to do."""
    with bind("127.0.0.1", 0) as taken, pytest.raises(CannotStart, match="--port"):
        bind("127.0.0.1", taken.getsockname()[1])


async def test_the_keys_are_read_through_the_one_door(sandbox: Sandbox) -> None:
    """Without the account's key, at the address that the environment names."""
    async with Http() as http:
        here = account(PROVIDERS["fal"], NO_KEY, sandbox.environment)
        (key,) = await http.follow(here, fal_signing.publishing())
    assert len(key) == fal_signing.KEY_BYTES
