"""Being called: where the ticket stands in each vendor's callback, and what fal's seal is worth."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain.identity import attempt_uuid, job_key
from omnihuman_blocks.domain.job import Submission
from omnihuman_blocks.domain.wire import HttpReply, is_ident
from omnihuman_blocks.errors import Transient, Unreadable
from omnihuman_blocks.providers import PROVIDERS, fal_signing
from omnihuman_blocks.providers.base import Callbacks, Seal

ADDRESS = "https://hooks.example/omnihuman/VENDOR/a-token"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
TASK = "bc398d1f-577b-443c-bec7-1aadcb864cfe"
CALLERS = sorted(name for name, room in PROVIDERS.items() if room.CALLBACKS is not None)


def callbacks(vendor: str) -> Callbacks:
    found = PROVIDERS[vendor].CALLBACKS
    assert found is not None
    return found


# --- telling the vendor whom to call ------------------------------------------------------------


def whom(vendor: str, submission: Submission) -> Any:
    """Whom a purchase tells the vendor to call, in the vendor's own form."""
    call = PROVIDERS[vendor].submission_call(submission)
    if vendor == "runware":
        assert isinstance(call.json, list)
        (task,) = call.json
        assert isinstance(task, dict)
        return task.get("webhookURL")
    if vendor == "fal":
        return call.params.get("fal_webhook")
    mode = {"X-Webhook-Mode": "terminal"} if "X-Webhook-URL" in call.headers else {}
    assert mode.items() <= call.headers.items()
    return call.headers.get("X-Webhook-URL")


def test_three_vendors_call_back() -> None:
    """AIMLAPI offers no callbacks for these models."""
    assert CALLERS == ["fal", "pixazo", "runware"]


@pytest.mark.parametrize("vendor", CALLERS)
def test_each_purchase_says_whom_to_call_about_it(vendor: str, order: Any) -> None:
    """In the vendor's own form; the job and its key know nothing of it."""
    plain = order(vendor)
    called = replace(plain, callback=ADDRESS)
    assert whom(vendor, plain) is None
    assert whom(vendor, called) == ADDRESS
    assert called.job == plain.job
    keys = {
        job_key(provider=vendor, model=one.job.model, image="i", audio="a", options=one.options)
        for one in (plain, called)
    }
    assert len(keys) == 1
    assert ADDRESS not in repr(called)


def test_a_purchase_that_is_repeated_is_the_very_same(order: Any, follow: Any) -> None:
    """Runware: what recovery sends again has the same body, callback address included."""
    submission = replace(order("runware"), callback=ADDRESS)
    nothing = HttpReply(status=200, text=json.dumps({"data": []}))
    room = PROVIDERS["runware"]
    assert room.recovering is not None
    task_uuid = attempt_uuid(submission.job.key, 1)
    accepted = {"data": [{"taskType": "videoInference", "taskUUID": task_uuid}]}
    answers = [nothing, nothing, HttpReply(status=200, text=json.dumps(accepted))]
    exchange = follow(room.recovering(submission, timedelta(minutes=1)), answers)
    assert exchange.calls[-1] == replace(room.submission_call(submission), spends=False)


# --- what a callback says -----------------------------------------------------------------------

SAID = {
    "runware": [
        {"taskType": "videoInference", "taskUUID": TASK, "videoURL": "https://vm.example/v.mp4"},
        {"code": "timeoutProvider", "status": "error", "message": "No.", "taskUUID": TASK},
        {"data": [{"taskType": "videoInference", "taskUUID": TASK}]},
        {"data": [], "errors": [{"code": "timeoutProvider", "taskUUID": TASK}]},
        {"data": "?", "errors": [{"code": "timeoutProvider", "taskUUID": TASK}]},
    ],
    "fal": [
        {"request_id": TASK, "gateway_request_id": "another", "status": "OK", "payload": {}},
        {"request_id": TASK, "status": "ERROR", "error": "Invalid status code: 422"},
        {"request_id": TASK, "status": "OK", "payload": None, "payload_error": "odd"},
    ],
    "pixazo": [
        {"request_id": TASK, "status": "COMPLETED", "output": {"media_url": []}},
        {"request_id": TASK, "status": "FAILED", "error": "no face"},
    ],
}


@pytest.mark.parametrize(
    ("vendor", "said"), [(vendor, said) for vendor, each in SAID.items() for said in each]
)
def test_a_callback_names_its_ticket(vendor: str, said: Mapping[str, Any]) -> None:
    """Of a video as of a failure, in every shape that is documented or likely."""
    assert callbacks(vendor).ticket_in(json.dumps(said).encode()) == TASK


def test_only_where_the_buyer_chooses_the_id_it_is_known_beforehand() -> None:
    """Runware's id is derived from key and attempt; the others make up their own."""
    assert callbacks("runware").own_ticket is attempt_uuid
    assert callbacks("fal").own_ticket is callbacks("pixazo").own_ticket is None


@pytest.mark.parametrize("vendor", CALLERS)
@given(
    body=st.binary(max_size=60)
    | st.builds(
        json.dumps,
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(TASK),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["request_id", "taskUUID", "data", "errors"]), inner
                )
            ),
            max_leaves=8,
        ),
    ).map(str.encode)
)
def test_any_body_names_an_id_or_is_no_callback(vendor: str, body: bytes) -> None:
    """Anything can be sent to a public address."""
    with suppress(Unreadable):
        assert is_ident(callbacks(vendor).ticket_in(body))


# --- fal's seal ---------------------------------------------------------------------------------


class Fal:
    """Signs as fal does."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    def sign(self, body: bytes, sent_at: datetime = NOW, user: str = "user-1") -> dict[str, str]:
        stamp = str(int(sent_at.timestamp()))
        message = f"{TASK}\n{user}\n{stamp}\n{hashlib.sha256(body).hexdigest()}".encode()
        return {
            "x-fal-webhook-request-id": TASK,
            "x-fal-webhook-user-id": user,
            "x-fal-webhook-timestamp": stamp,
            "x-fal-webhook-signature": self.key.sign(message).hex(),
        }


@pytest.fixture
def fal() -> Fal:
    return Fal()


BODY = b'{"request_id":"1"}'


@pytest.mark.parametrize("seconds", [-300, -10, 0, 10, 300])
def test_what_fal_has_just_signed_is_genuine(fal: Fal, seconds: int) -> None:
    """With any of the published keys, and clocks up to five minutes apart."""
    headers = fal.sign(BODY, NOW + timedelta(seconds=seconds))
    keys = [Fal().public, fal.public]
    assert fal_signing.judge(headers, BODY, keys, NOW) is Seal.GENUINE


@pytest.mark.parametrize("seconds", [-86400, -301, 301, 10**9])
def test_what_is_not_from_now_is_stale(fal: Fal, seconds: int) -> None:
    """Somebody repeats what they have heard, or holds something ready."""
    headers = fal.sign(BODY, NOW + timedelta(seconds=seconds))
    assert fal_signing.judge(headers, BODY, [fal.public], NOW) is Seal.STALE


CHANGES: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "nothing": lambda _: {},
    "another request": lambda headers: headers | {"x-fal-webhook-request-id": "another"},
    "another user": lambda headers: headers | {"x-fal-webhook-user-id": "another"},
    "another time": lambda headers: (
        headers | {"x-fal-webhook-timestamp": str(int(headers["x-fal-webhook-timestamp"]) + 1)}
    ),
    "no time": lambda headers: headers | {"x-fal-webhook-timestamp": "soon"},
    "no hexadecimal": lambda headers: headers | {"x-fal-webhook-signature": "zz"},
    "another length": lambda headers: headers | {"x-fal-webhook-signature": "ab"},
    "no signature": lambda headers: headers | {"x-fal-webhook-signature": ""},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_forged(fal: Fal, change: str) -> None:
    """Every signed part counts, and so does its absence."""
    headers = CHANGES[change](fal.sign(BODY))
    assert fal_signing.judge(headers, BODY, [fal.public], NOW) is Seal.FORGED


def test_another_body_another_key_and_no_key_are_forged(fal: Fal) -> None:
    """The body is signed by its digest, and only by fal."""
    headers = fal.sign(BODY)
    assert fal_signing.judge(headers, BODY + b" ", [fal.public], NOW) is Seal.FORGED
    assert fal_signing.judge(headers, BODY, [Fal().public], NOW) is Seal.FORGED
    assert fal_signing.judge(headers, BODY, [], NOW) is Seal.FORGED


NAMES = [fal_signing.PART.format(n) for n in ("request-id", "user-id", "timestamp", "signature")]


@given(
    headers=st.dictionaries(
        st.sampled_from(NAMES),
        st.text() | st.sampled_from(["ab" * 64, "1" * 5000, "-1", "1e9", "\ud800"]),
    )
)
def test_any_headers_can_be_judged(headers: dict[str, str]) -> None:
    """Never another outcome, and never an error."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    assert fal_signing.judge(headers, BODY, [key], NOW) is Seal.FORGED


# --- fal's keys ---------------------------------------------------------------------------------


def written(key: bytes) -> dict[str, Any]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": urlsafe_b64encode(key).rstrip(b"=").decode(),
    }


def published(*entries: Any, status: int = 200) -> HttpReply:
    return HttpReply(status=status, text=json.dumps({"keys": list(entries)}))


def test_the_published_keys_are_read_and_others_left_alone(fal: Fal, follow: Any) -> None:
    """A set may hold keys of other kinds, and broken ones. Our own key is not sent along."""
    others = [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        written(fal.public) | {"crv": "X25519"},
        written(fal.public) | {"x": None},
        written(fal.public) | {"x": "é"},
        written(b"short"),
    ]
    exchange = follow(fal_signing.publishing(), [published(*others, written(fal.public))])
    assert exchange.outcome == (fal.public,)
    (call,) = exchange.calls
    assert (call.method, call.url, call.signed) == ("GET", fal_signing.JWKS, False)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (published(), Unreadable),
        (published("key"), Unreadable),
        (HttpReply(status=200, text="<html>"), Unreadable),
        (published(status=503), Transient),
    ],
)
def test_keys_that_cannot_be_had_are_no_reason_to_believe(
    reply: HttpReply, expected: type[Exception], follow: Any
) -> None:
    """Then nothing can be judged, and the vendor has to call again."""
    assert isinstance(follow(fal_signing.publishing(), [reply]).outcome, expected)
