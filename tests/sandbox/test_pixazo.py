"""Pixazo's wire: one polling address, few words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Listener, Media, Pixazo

MODEL = "bytedance-omnihuman-v1-5-290"
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ZONELESS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def test_a_submission_is_answered_with_202(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """Id, state and polling address; the id is the model's name and a UUID."""
    answer = pixazo.submit()
    body = answer.json()
    assert answer.status_code == 202
    assert re.fullmatch(rf"{MODEL}_[0-9a-f-]{{36}}", body["request_id"])
    assert body == {
        "request_id": body["request_id"],
        "status": "QUEUED",
        "polling_url": f"{sandbox.url}/pixazo/v2/requests/status/{body['request_id']}",
    }


def test_the_states_are_told_in_turn(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """QUEUED, PROCESSING, COMPLETED in one shape."""
    sandbox.faults.add({"times": 1, "effect": {"kind": "stuck"}})
    sandbox.settings.pixazo.slots = 0
    stuck = pixazo.submit().json()
    queued = pixazo.get(stuck["polling_url"]).json()
    sandbox.settings.pixazo.slots = 2
    done = pixazo.ended(pixazo.submit().json())
    working = pixazo.get(stuck["polling_url"]).json()
    assert [body["status"] for body in (queued, working, done)] == [
        "QUEUED",
        "PROCESSING",
        "COMPLETED",
    ]
    assert queued["output"] is working["output"] is queued["error"] is done["error"] is None
    assert set(queued) == set(done)
    assert done["model_id"] == MODEL
    assert done["output"]["media_type"] == "video/mp4"
    (address,) = done["output"]["media_url"]
    assert pixazo.http.get(address).status_code == 200


def test_moments_are_written_in_two_ways(pixazo: Pixazo) -> None:
    """One answer mixes ISO-8601 with `Z` and a form without a zone."""
    body = pixazo.ended(pixazo.submit().json())
    assert ISO.fullmatch(body["created_at"])
    assert ZONELESS.fullmatch(body["updated_at"])
    assert ZONELESS.fullmatch(body["completed_at"])


def test_the_media_type_may_say_nothing(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """`application/octet-stream` is documented too."""
    sandbox.settings.pixazo.media_type = "application/octet-stream"
    body = pixazo.ended(pixazo.submit().json())
    assert body["output"]["media_type"] == "application/octet-stream"


def test_keys_are_refused_by_the_gateway(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """401 in the gateway's own form, for a missing and for a wrong key."""
    url = pixazo.submit().json()["polling_url"]
    missing = pixazo.http.get(url)
    wrong = pixazo.http.get(url, headers={"Ocp-Apim-Subscription-Key": "wrong"})
    assert missing.status_code == wrong.status_code == 401
    assert "missing subscription key" in missing.json()["message"]
    assert "invalid subscription key" in wrong.json()["message"]
    sandbox.settings.pixazo.blocked = "key"
    assert pixazo.submit().status_code == 401


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "JSON object"),
        ({"audio_url": "https://a.example/a.mp3"}, "'image_url' is required"),
        ({"image_url": "https://a.example/a.png"}, "'audio_url' is required"),
        ({"image_url": "data:x", "audio_url": "https://a.example/a.mp3"}, "publicly accessible"),
        (
            {
                "image_url": "https://a.example/a.png",
                "audio_url": "https://a.example/a.mp3",
                "resolution": "4k",
            },
            "'resolution' must be one of",
        ),
        (
            {
                "image_url": "https://a.example/a.png",
                "audio_url": "https://a.example/a.mp3",
                "prompt": "smile",
            },
            "Unknown parameter 'prompt'",
        ),
    ],
)
def test_bad_input_is_refused_at_once(
    pixazo: Pixazo, sandbox: Sandbox, body: Any, said: str
) -> None:
    """400 with error and message; nothing is bought."""
    answer = pixazo.submit(body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Bad Request"
    assert said in answer.json()["message"]
    assert sandbox.counts().accepted() == 0


@pytest.mark.parametrize(
    ("refusal", "status", "error"),
    [
        ("balance", 402, "Insufficient Balance"),
        ("suspended", 403, "Forbidden"),
        ("model", 400, "Model not found"),
    ],
)
def test_refusals_have_the_documented_form(
    pixazo: Pixazo, sandbox: Sandbox, refusal: str, status: int, error: str
) -> None:
    """`error` and `message`, with the status."""
    sandbox.faults.add({"effect": {"kind": "refused", "refusal": refusal}})
    answer = pixazo.submit()
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert sandbox.counts().accepted() == 0


def test_a_wallet_can_be_empty_until_it_is_filled(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """The setting blocks every purchase until it is taken back."""
    sandbox.settings.pixazo.blocked = "balance"
    assert pixazo.submit().status_code == 402
    sandbox.settings.pixazo.blocked = None
    assert pixazo.submit().status_code == 202


@pytest.mark.parametrize(
    ("name", "status", "charged"),
    [("content", "FAILED", False), ("internal", "ERROR", False), ("FAILED", "FAILED", True)],
)
def test_failures_are_a_state_and_a_sentence(
    pixazo: Pixazo, sandbox: Sandbox, *, name: str, status: str, charged: bool
) -> None:
    """FAILED or ERROR with free text; whether FAILED is charged is the rule's choice."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": name, "charged": charged}})
    body = pixazo.ended(pixazo.submit().json())
    assert (body["status"], body["output"]) == (status, None)
    assert isinstance(body["error"], str)
    assert sandbox.counts().charged("pixazo") == int(charged)


def test_bad_media_fail(pixazo: Pixazo, media: Media) -> None:
    """What cannot be fetched or is not MP3 or WAV ends as FAILED."""
    nowhere = f"{media.sandbox.url}/media/none"
    ogg = media.file(b"OggS" + bytes(100))
    for change in ({"image_url": nowhere}, {"audio_url": ogg}):
        body = {"image_url": media.image(), "audio_url": media.audio(), **change}
        assert pixazo.ended(pixazo.submit(body).json())["status"] == "FAILED"


def test_an_unknown_request_is_not_found(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """404."""
    answer = pixazo.get(f"{sandbox.url}/pixazo/v2/requests/status/{MODEL}_none")
    assert answer.status_code == 404


def test_resolutions_are_contents_of_their_own(pixazo: Pixazo, sandbox: Sandbox) -> None:
    """The default written out is the same purchase."""
    given = {"image_url": pixazo.media.image(), "audio_url": pixazo.media.audio()}
    for body in (given, {**given, "resolution": "720p"}, {**given, "resolution": "480p"}):
        pixazo.submit(body)
    assert sorted(take.accepted for take in sandbox.counts().contents) == [1, 2]


# --- calling back -------------------------------------------------------------------------------


def test_the_end_is_called_back_once(pixazo: Pixazo, listener: Listener) -> None:
    """Mode `terminal`, the default: one POST with the status object."""
    submitted = pixazo.submit(**{"X-Webhook-URL": f"{listener.url}?job=7"}).json()
    (call,) = listener.wait()
    assert call.path == "/hook?job=7"
    assert call.json == pixazo.ended(submitted)


def test_every_cycle_is_called_back_on_request(
    pixazo: Pixazo, listener: Listener, sandbox: Sandbox, until: Callable[..., Any]
) -> None:
    """Mode `sync`: a POST per cycle while it works, and one at the end."""
    sandbox.settings.time_scale = 0.01
    headers = {"X-Webhook-URL": listener.url, "X-Webhook-Mode": "sync"}
    pixazo.ended(pixazo.submit(**headers).json())

    def states() -> list[str]:
        return [call.json["status"] for call in listener.heard]

    until(lambda: "COMPLETED" in states(), "the last call")
    *before, last = states()
    assert last == "COMPLETED"
    assert len(before) >= 2
    assert set(before) <= {"QUEUED", "PROCESSING"}


def test_webhooks_must_be_secure(pixazo: Pixazo) -> None:
    """Plain http is refused unless it stays on this machine."""
    answer = pixazo.submit(**{"X-Webhook-URL": "http://hooks.example/x"})
    assert answer.status_code == 400
    assert "https" in answer.json()["message"]
