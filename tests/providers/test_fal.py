"""What is peculiar to fal: the verdict on the result address, two families of errors, uploads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.job import Cancelled, MediaKind, Staged, Ticket, Upload
from omnihuman_blocks.errors import InvalidRow, OmniHumanError
from omnihuman_blocks.providers import fal

ID = "f6feafe1-b462-4668-a7af-b926cdca5381"
BASE = f"https://queue.fal.run/fal-ai/bytedance/requests/{ID}"
TICKET = Ticket(provider="fal", model="fal-ai/bytedance/omnihuman/v1.5", id=ID)
URL = "https://v3b.fal.media/files/b/tiger/3q9C4sDWWOX63lEz42Ohb_video.mp4"
BOUGHT = {"is": "Ticket", "id": ID}
BLOCKED = {"is": "AccountBlocked"}
DOUBT = {"is": "InDoubt"}
UNREADABLE = {"is": "Unreadable"}
TRANSIENT = {"is": "Transient"}
TOOK = {"generated": Decimal("73.2")}

PURCHASES = {
    "purchase_accepted": BOUGHT,
    "purchase_accepted_202": BOUGHT,
    "purchase_bad_key": BLOCKED,
    "purchase_malformed_key": BLOCKED,
    "purchase_no_key": BLOCKED,
    "purchase_no_balance": BLOCKED,
    "purchase_admin_lock": BLOCKED,
    "purchase_unknown_app": {"is": "Refused", "code": "http_404"},
    "purchase_queue_too_long": {**TRANSIENT, "retry_after": 12.0},
    "purchase_concurrency": TRANSIENT,
    "purchase_invalid": {"is": "Refused", "code": "missing"},
    "purchase_proxy_page": DOUBT,
    "purchase_unavailable": DOUBT,
    "purchase_client_gone": DOUBT,
    "purchase_page_with_200": UNREADABLE,
    "purchase_without_id": UNREADABLE,
    "purchase_impossible_id": UNREADABLE,
}


@pytest.mark.parametrize("name", PURCHASES)
def test_each_answer_to_a_purchase_means_one_thing(
    name: str, order: Any, recorded: Any, describe: Any
) -> None:
    """A lock is about the account, a 429 is before acceptance, a gateway's 5xx leaves doubt."""
    (reply,) = recorded("fal", name)
    outcome: Ticket | OmniHumanError
    try:
        outcome = fal.read_submission(reply, order("fal"))
    except OmniHumanError as error:
        outcome = error
    assert describe(outcome) == PURCHASES[name]


def working(said: str, **more: Any) -> dict[str, Any]:
    return {"is": "Working", "said": said, **more}


def ready(**more: Any) -> dict[str, Any]:
    return {"is": "Ready", "urls": [URL], **more}


def failed(code: str, *, charged: bool | None = None) -> dict[str, Any]:
    told = {"is": "Failed", "error": {"is": "Refused", "code": code}, "retryable": False}
    return told if charged is None else {**told, "charged": charged}


HICCUP = {"is": "Failed", "error": TRANSIENT, "retryable": True, "charged": False}

POLLS = {
    "poll_queued": working("IN_QUEUE", position=12654),
    "poll_queued_200": working("IN_QUEUE", position=0),
    "poll_in_progress": working("IN_PROGRESS", logs=("Loading the model",)),
    "poll_new_status": working("WARMING_UP"),
    "poll_odd_ornaments": working("IN_QUEUE"),
    "poll_without_status": UNREADABLE,
    "poll_not_found": TRANSIENT,
    "poll_locked": BLOCKED,
    "poll_rate_limited": {**TRANSIENT, "retry_after": 4.0},
    "poll_proxy_page": TRANSIENT,
    "poll_page_with_200": UNREADABLE,
    "result_ready": ready(seconds=Decimal("12.3"), **TOOK),
    "result_ready_shortest": ready(),
    "result_ready_with_units": ready(seconds=Decimal("12.5"), **TOOK),
    "result_ready_odd_ornaments": ready(),
    "result_without_address": UNREADABLE,
    "result_without_video": UNREADABLE,
    "result_hostile_address": UNREADABLE,
    "result_still_running": working("Request is still in progress"),
    "result_audio_too_long": failed("audio_duration_too_long", charged=False),
    "result_unsafe": failed("content_policy_violation"),
    "result_missing_field": failed("missing", charged=False),
    "result_downstream_retryable": {"is": "Failed", "error": TRANSIENT, "retryable": True},
    "result_downstream_504": HICCUP,
    "result_internal_error": failed("internal_server_error", charged=False),
    "result_generation_timeout": failed("generation_timeout", charged=False),
    "result_request_timeout": HICCUP,
    "result_startup_timeout": HICCUP,
    "result_runner_scheduling_failure": HICCUP,
    "result_runner_connection_timeout": HICCUP,
    "result_runner_disconnected": HICCUP,
    "result_runner_connection_refused": HICCUP,
    "result_runner_connection_error": HICCUP,
    "result_runner_incomplete_response": HICCUP,
    "result_runner_server_error": HICCUP,
    "result_client_disconnected": failed("client_disconnected"),
    "result_client_cancelled": failed("client_cancelled"),
    "result_cancelled_in_line": failed("client_cancelled", charged=False),
    "result_bad_request": failed("bad_request"),
    "result_internal_error_of_a_request": failed("internal_error", charged=False),
    "result_kind_in_header": HICCUP,
    "result_kind_in_status": HICCUP,
    "result_plain_422": failed("http_422"),
    "result_bare_422": TRANSIENT,
    "result_odd_details": TRANSIENT,
    "result_plain_500": TRANSIENT,
    "result_proxy_page": TRANSIENT,
    "result_rate_limited": {**TRANSIENT, "retry_after": 2.0},
    "result_bad_key": BLOCKED,
    "result_locked": BLOCKED,
    "result_not_found": TRANSIENT,
    "result_redirect": UNREADABLE,
}


@pytest.mark.parametrize("name", POLLS)
def test_each_answer_about_a_job_means_one_thing(
    name: str, recorded: Any, follow: Any, describe: Any
) -> None:
    """The result's status is the verdict where fal speaks; a proxy or a limit is asked again."""
    exchange = follow(fal.checking(TICKET), recorded("fal", name))
    assert describe(exchange.outcome) == POLLS[name]


def test_a_failure_repeats_every_complaint(recorded: Any, follow: Any) -> None:
    """All that the model says is wrong stands in the message."""
    exchange = follow(fal.checking(TICKET), recorded("fal", "result_missing_field"))
    assert str(exchange.outcome.error).endswith("Field required; Field required")


def test_the_poll_addresses_keep_two_pieces_of_the_model(recorded: Any, follow: Any) -> None:
    """They are built from the id; an address that an answer names is never followed."""
    exchange = follow(fal.checking(TICKET), recorded("fal", "result_ready"))
    status, result = exchange.calls
    assert (status.url, status.params, result.url) == (f"{BASE}/status", {"logs": "1"}, BASE)


def test_the_body_of_omnihuman_15(order: Any) -> None:
    """Golden: everything that can be wished for, each in its place."""
    submission = order(
        "fal",
        prompt="A calm studio",
        resolution="720p",
        turbo_mode=True,
        webhook_url="https://hooks.example/x?job=1",
        max_queue_length=50,
        start_timeout_seconds=600,
        queue_priority="low",
        no_retry=True,
        store_io=False,
        object_lifetime_seconds=3600,
        disable_fallback=True,
        tags="catalogue",
        runner_hint="one",
    )
    call = fal.submission_call(replace(submission, mask="https://media.example/mask.png"))
    assert call.url == "https://queue.fal.run/fal-ai/bytedance/omnihuman/v1.5"
    assert call.json == {
        "image_url": "https://media.example/image.png",
        "audio_url": "https://media.example/audio.mp3",
        "mask_url": "https://media.example/mask.png",
        "prompt": "A calm studio",
        "resolution": "720p",
        "turbo_mode": True,
    }
    assert call.params == {
        "fal_webhook": "https://hooks.example/x?job=1",
        "fal_max_queue_length": "50",
    }
    assert call.headers == {
        "X-Fal-Request-Timeout": "600",
        "X-Fal-Queue-Priority": "low",
        "X-Fal-No-Retry": "1",
        "X-Fal-Store-IO": "0",
        "X-Fal-Object-Lifecycle-Preference": '{"expiration_duration_seconds": 3600}',
        "x-app-fal-disable-fallback": "true",
        "X-Fal-Tags": "catalogue",
        "X-Fal-Runner-Hint": "one",
    }


def test_switches_in_their_usual_position_are_not_sent(order: Any) -> None:
    """Golden: the least that is sent, on either model."""
    older, newer = (fal.submission_call(order("fal", version)) for version in ("1", "1.5"))
    media = {
        "image_url": "https://media.example/image.png",
        "audio_url": "https://media.example/audio.mp3",
    }
    assert older.url == "https://queue.fal.run/fal-ai/bytedance/omnihuman"
    assert older.json == media
    assert newer.json == {**media, "resolution": "1080p", "turbo_mode": False}
    assert not older.headers
    assert not newer.headers
    assert not older.params


def test_the_older_model_ignores_what_it_cannot_do() -> None:
    """A prompt on OmniHuman 1 is named as ignored, not sent."""
    _, ignored = fal.MODELS["1"].options.understand({"prompt": "A calm studio"})
    assert ignored == ("prompt",)


@pytest.mark.parametrize(
    ("wish", "value"),
    {
        "tags": "two\nlines",
        "runner_hint": "nämlich",
        "start_timeout_seconds": 1,
        "webhook_url": "ftp://hooks.example",
        "resolution": "480p",
    }.items(),
)
def test_a_wish_that_cannot_be_sent_is_an_invalid_cell(
    wish: str, value: object, order: Any
) -> None:
    """Nothing from a table can break out of a header or an address."""
    with pytest.raises(InvalidRow) as caught:
        order("fal", **{wish: value})
    assert caught.value.column == wish


def test_more_audio_fits_at_720p() -> None:
    """A minute at 720p, half of it at 1080p, and neither of the two bounds themselves."""
    model = fal.MODELS["1.5"]
    large, _ = model.options.understand({})
    small, _ = model.options.understand({"resolution": "720p"})
    assert model.limits(large).admits_seconds(Decimal("29.99"))
    assert not model.limits(large).admits_seconds(Decimal(30))
    assert model.limits(small).admits_seconds(Decimal("59.99"))
    assert not model.limits(small).admits_seconds(Decimal(60))


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "cancel_requested": Cancelled(accepted=True, said="CANCELLATION_REQUESTED"),
        "cancel_success": Cancelled(accepted=True, said="HTTP 200"),
        "cancel_no_success": Cancelled(accepted=False, said="HTTP 200"),
        "cancel_too_late": Cancelled(accepted=False, said="ALREADY_COMPLETED"),
        "cancel_not_found": Cancelled(accepted=False, said="NOT_FOUND"),
    }.items(),
)
def test_a_wish_to_cancel_is_answered(
    name: str, expected: Cancelled, recorded: Any, follow: Any
) -> None:
    """What is not accepted goes on and is charged."""
    exchange = follow(fal.cancelling(TICKET), recorded("fal", name))
    assert exchange.outcome == expected
    assert (exchange.calls[0].method, exchange.calls[0].url) == ("PUT", f"{BASE}/cancel")


def test_cancelling_can_be_asked_again(recorded: Any, follow: Any, describe: Any) -> None:
    """An answer that was no answer is no cancellation."""
    exchange = follow(fal.cancelling(TICKET), recorded("fal", "cancel_unavailable"))
    assert describe(exchange.outcome) == TRANSIENT


# --- uploads ----------------------------------------------------------------------------------

DATA_URI = "data:image/png;base64,iVBORyBieXRlcw=="

UPLOADS = {
    "upload_cdn": "https://v3.fal.media/files/a/b.png",
    "upload_storage": "https://v3.fal.media/files/c.png",
    "upload_cdn_forbidden": "https://v3.fal.media/files/c.png",
    "upload_nowhere": DATA_URI,
    "upload_odd_address": DATA_URI,
    "upload_storage_refuses": DATA_URI,
}


@pytest.mark.parametrize("name", UPLOADS)
def test_a_medium_always_finds_a_way_in(
    name: str, upload: Callable[[MediaKind], Upload], recorded: Any, follow: Any
) -> None:
    """The CDN, else the older storage, else the bytes in the purchase itself."""
    exchange = follow(fal.staging(upload(MediaKind.IMAGE)), recorded("fal", name))
    kept_for = None if UPLOADS[name] == DATA_URI else timedelta(days=1)
    assert exchange.outcome == Staged(address=UPLOADS[name], kept_for=kept_for)


def test_the_stores_get_a_token_and_never_the_key(
    upload: Callable[[MediaKind], Upload], recorded: Any, follow: Any
) -> None:
    """Only fal's own addresses are asked with the key; the file's name fits a header."""
    exchange = follow(fal.staging(upload(MediaKind.IMAGE)), recorded("fal", "upload_cdn"))
    token, stored = exchange.calls
    assert (token.url, token.params) == (
        "https://rest.fal.ai/storage/auth/token",
        {"storage_type": "fal-cdn-v3"},
    )
    assert (token.signed, stored.signed) == (True, False)
    assert stored.url == "https://v3.fal.media/files/upload"
    assert stored.content == b"\x89PNG bytes"
    assert stored.headers == {
        "Authorization": "Bearer t0ken",
        "Content-Type": "image/png",
        "X-Fal-File-Name": "Zo_.png",
    }
    exchange = follow(fal.staging(upload(MediaKind.IMAGE)), recorded("fal", "upload_storage"))
    assert [(call.method, call.signed) for call in exchange.calls] == [
        ("POST", True),
        ("POST", True),
        ("PUT", False),
    ]


@pytest.mark.parametrize(
    ("name", "expected"), {"upload_locked": BLOCKED, "upload_unavailable": TRANSIENT}.items()
)
def test_a_blocked_account_or_an_outage_is_no_reason_for_another_way(
    *,
    name: str,
    expected: object,
    upload: Callable[[MediaKind], Upload],
    recorded: Any,
    follow: Any,
    describe: Any,
) -> None:
    """A lock stops everything; where both stores are out of order it is left for later."""
    exchange = follow(fal.staging(upload(MediaKind.IMAGE)), recorded("fal", name))
    assert describe(exchange.outcome) == expected
