"""What is peculiar to AIMLAPI: the price comes first, and the log finds what was lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.job import Bill, MediaKind, Staged, Ticket, Upload
from omnihuman_blocks.domain.pricing import settle
from omnihuman_blocks.domain.wire import HttpReply
from omnihuman_blocks.errors import InvalidRow, OmniHumanError, Unreadable
from omnihuman_blocks.providers import aimlapi

ID = "9e730e80-40e2-4461-ba1b-1cc15df10b4f:bytedance/omnihuman"
SHORT = "V1StGXR8Z5jdHi6BmyT8k"
TICKET = Ticket(provider="aimlapi", model="bytedance/omnihuman", id=ID)
BLOCKED = {"is": "AccountBlocked"}
DOUBT = {"is": "InDoubt"}
UNREADABLE = {"is": "Unreadable"}
TRANSIENT = {"is": "Transient"}
PRICE = {"credits": Decimal(5_880_000)}

PURCHASES = {
    "purchase_accepted": {"is": "Ticket", "id": ID, **PRICE},
    "purchase_accepted_201": {"is": "Ticket", "id": SHORT, "credits": Decimal(5_040_000)},
    "purchase_accepted_unpriced": {"is": "Ticket", "id": SHORT},
    "purchase_invalid": {"is": "Refused", "code": "http_400"},
    "purchase_bad_key": BLOCKED,
    "purchase_no_credit": BLOCKED,
    "purchase_not_found": {"is": "Refused", "code": "http_404"},
    "purchase_rate_limited": {**TRANSIENT, "retry_after": 9.0},
    "purchase_server_error": DOUBT,
    "purchase_unavailable": DOUBT,
    "purchase_timeout": DOUBT,
    "purchase_proxy_page": DOUBT,
    "purchase_page_with_200": UNREADABLE,
    "purchase_without_id": UNREADABLE,
}


@pytest.mark.parametrize("name", PURCHASES)
def test_each_answer_to_a_purchase_means_one_thing(
    name: str, order: Any, recorded: Any, describe: Any
) -> None:
    """An empty balance is a 403; the credits of an accepted purchase are kept with its ticket."""
    (reply,) = recorded("aimlapi", name)
    outcome: Ticket | OmniHumanError
    try:
        outcome = aimlapi.read_submission(reply, order("aimlapi"))
    except OmniHumanError as error:
        outcome = error
    assert describe(outcome) == PURCHASES[name]


def working(said: str) -> dict[str, Any]:
    return {"is": "Working", "said": said}


def ready(url: str, **more: Any) -> dict[str, Any]:
    return {"is": "Ready", "urls": [url], **more}


def failed(code: str | None) -> dict[str, Any]:
    error = {"is": "Refused", "code": code}
    return {"is": "Failed", "error": error, "retryable": False, "charged": False}


POLLS = {
    "poll_queued": working("queued"),
    "poll_generating": working("generating"),
    "poll_waiting": working("waiting"),
    "poll_active": working("active"),
    "poll_new_status": working("warming up"),
    "poll_completed": ready(
        "https://cdn.aimlapi.com/generations/hedgehog/1759866285599.mp4", **PRICE
    ),
    "poll_completed_passed_through": ready(
        "https://v3b.fal.media/files/b/tiger/3q9C4sDWWOX63lEz42Ohb_video.mp4"
    ),
    "poll_completed_older": ready("https://cdn.aimlapi.com/x.mp4", **PRICE),
    "poll_completed_odd_usage": ready("https://cdn.aimlapi.com/x.mp4"),
    "poll_completed_without_video": UNREADABLE,
    "poll_completed_hostile_address": UNREADABLE,
    "poll_error": failed("ContentModerationError"),
    "poll_error_free_form": failed(None),
    "poll_error_silent": failed(None),
    "poll_error_nameless": failed(None),
    "poll_without_status": UNREADABLE,
    "poll_not_found": TRANSIENT,
    "poll_bad_key": BLOCKED,
    "poll_rate_limited": {**TRANSIENT, "retry_after": 9.0},
    "poll_unavailable": TRANSIENT,
    "poll_proxy_page": TRANSIENT,
    "poll_page_with_200": UNREADABLE,
}


@pytest.mark.parametrize("name", POLLS)
def test_each_answer_about_a_job_means_one_thing(
    name: str, recorded: Any, follow: Any, describe: Any
) -> None:
    """Nulls are nothing, unknown words mean waiting, and a failure costs nothing."""
    exchange = follow(aimlapi.checking(TICKET), recorded("aimlapi", name))
    assert describe(exchange.outcome) == POLLS[name]


def test_a_price_that_is_missing_at_the_end_is_the_one_from_the_start(
    recorded: Any, follow: Any, describe: Any
) -> None:
    """The answer to the purchase named it; two dollars ninety-four for the documented example."""
    ticket = Ticket(provider="aimlapi", model=TICKET.model, id=ID, quoted=Bill(**PRICE))
    replies = recorded("aimlapi", "poll_completed_passed_through")
    exchange = follow(aimlapi.checking(ticket), replies)
    assert describe(exchange.outcome)["credits"] == PRICE["credits"]
    charge = settle(exchange.outcome.bill, None, aimlapi.USD_PER_CREDIT)
    assert charge.usd == Decimal("2.94")


def test_an_id_with_slashes_is_a_parameter(recorded: Any, follow: Any) -> None:
    """It travels in the query, where the edge encodes it."""
    exchange = follow(aimlapi.checking(TICKET), recorded("aimlapi", "poll_queued"))
    (call,) = exchange.calls
    assert (call.url, call.params) == (
        "https://api.aimlapi.com/v2/video/generations",
        {"generation_id": ID},
    )


def test_the_body_of_either_model(order: Any) -> None:
    """Golden: three members, and an id of ours that fits its header."""
    for version, model in {"1": "bytedance/omnihuman", "1.5": "bytedance/omnihuman/v1.5"}.items():
        call = aimlapi.submission_call(order("aimlapi", version, attempt=3))
        assert call.url == "https://api.aimlapi.com/v2/video/generations"
        assert call.json == {
            "model": model,
            "image_url": "https://media.example/image.png",
            "audio_url": "https://media.example/audio.mp3",
        }
        name = call.headers["X-Client-Request-Id"]
        assert name == f"omnihuman:{'5ca1ab1e' * 8}:3"
        assert len(name) <= 128


def test_nothing_can_be_wished_for() -> None:
    """A prompt is named as ignored in the plan."""
    _, ignored = aimlapi.AimlapiOptions.understand({"prompt": "x", "resolution": "720p"})
    assert ignored == ("prompt", "resolution")


# --- a lost answer ----------------------------------------------------------------------------

FOUND = {"is": "Ticket", "id": ID, **PRICE}


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "log_found": FOUND,
        "log_found_on_page_two": FOUND,
        "log_found_failed": {"is": "Ticket", "id": ID},
        "log_found_without_id": UNREADABLE,
        "log_without_pages": UNREADABLE,
        "log_rate_limited": {**TRANSIENT, "retry_after": 60.0},
        "log_forbidden": BLOCKED,
    }.items(),
)
def test_a_lost_purchase_is_looked_for_in_the_log(
    *, name: str, expected: object, order: Any, recorded: Any, follow: Any, describe: Any
) -> None:
    """Page by page for our id; a failed one is found too, and its status then tells the rest."""
    flow = aimlapi.recovering(order("aimlapi"), timedelta(minutes=5))
    exchange = follow(flow, recorded("aimlapi", name))
    assert describe(exchange.outcome) == expected


@pytest.mark.parametrize("name", ["log_not_found", "log_empty", "log_empty_with_more"])
def test_a_purchase_that_is_not_in_the_log_is_not_known_yet(
    name: str, order: Any, recorded: Any, follow: Any
) -> None:
    """A running job may not be listed: nothing is concluded from its absence."""
    flow = aimlapi.recovering(order("aimlapi"), timedelta(minutes=5))
    assert follow(flow, recorded("aimlapi", name)).outcome is None


@pytest.mark.parametrize(
    ("age", "period"),
    {
        timedelta(0): "1h",
        timedelta(minutes=5): "2h",
        timedelta(hours=24): "25h",
        timedelta(minutes=-5): "2h",
        timedelta(days=900): "2208h",
    }.items(),
)
def test_the_log_is_read_from_before_the_purchase(
    *, age: timedelta, period: str, order: Any, recorded: Any, follow: Any
) -> None:
    """An hour more than its age, never more than the vendor gives out."""
    exchange = follow(aimlapi.recovering(order("aimlapi"), age), recorded("aimlapi", "log_empty"))
    assert exchange.calls[0].params == {"period": period, "limit": "100", "offset": "0"}


def test_a_log_without_an_end_is_given_up(order: Any) -> None:
    """The search is bounded; it ends without a claim that nothing was bought."""
    flow = aimlapi.recovering(order("aimlapi"), timedelta(minutes=5))
    row = {"client_request_id": None, "inference_id": "x"}
    page = HttpReply(status=200, text=json.dumps({"data": [row], "pagination": {"has_more": True}}))
    call = next(flow)
    offsets = {call.params["offset"]}
    with pytest.raises(Unreadable, match="50,000 rows"):  # noqa: PT012 - the flow ends by raising
        while True:
            offsets.add(flow.send(page).params["offset"])
    assert len(offsets) == aimlapi.LOG_PAGES


# --- uploads ----------------------------------------------------------------------------------


def test_an_image_travels_in_the_purchase(
    upload: Callable[[MediaKind], Upload], follow: Any
) -> None:
    """Nobody is asked."""
    exchange = follow(aimlapi.staging(upload(MediaKind.IMAGE)), [])
    assert exchange.outcome == Staged(address="data:image/png;base64,iVBORyBieXRlcw==")


def test_audio_needs_an_address(upload: Callable[[MediaKind], Upload], follow: Any) -> None:
    """There is nowhere to bring it."""
    exchange = follow(aimlapi.staging(upload(MediaKind.AUDIO)), [])
    assert isinstance(exchange.outcome, InvalidRow)
    assert exchange.outcome.column == "audio_uri"
