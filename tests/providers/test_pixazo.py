"""What is peculiar to Pixazo: FAILED beside ERROR, two forms of dates, callbacks by header."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.job import Ticket
from omnihuman_blocks.errors import InvalidRow, OmniHumanError
from omnihuman_blocks.providers import pixazo

ID = "bytedance-omnihuman-v1-5-290_019d5f1c-7a3e-7c11-9a44-0f5a3be1c001"
TICKET = Ticket(provider="pixazo", model="bytedance-omnihuman-v1-5-290", id=ID)
BOUGHT = {"is": "Ticket", "id": ID}
BLOCKED = {"is": "AccountBlocked"}
DOUBT = {"is": "InDoubt"}
UNREADABLE = {"is": "Unreadable"}
TRANSIENT = {"is": "Transient"}

PURCHASES = {
    "purchase_accepted": BOUGHT,
    "purchase_accepted_200": BOUGHT,
    "purchase_no_balance": BLOCKED,
    "purchase_unknown_model": {"is": "Refused", "code": "Model not found"},
    "purchase_bad_request_page": {"is": "Refused", "code": "http_400"},
    "purchase_bad_key": BLOCKED,
    "purchase_forbidden": BLOCKED,
    "purchase_rate_limited": {**TRANSIENT, "retry_after": 5.0},
    "purchase_server_error": DOUBT,
    "purchase_proxy_page": DOUBT,
    "purchase_page_with_200": UNREADABLE,
    "purchase_without_id": UNREADABLE,
}


@pytest.mark.parametrize("name", PURCHASES)
def test_each_answer_to_a_purchase_means_one_thing(
    name: str, order: Any, recorded: Any, describe: Any
) -> None:
    """202 and 200 are acceptance; an answer without an id is one that was lost."""
    (reply,) = recorded("pixazo", name)
    outcome: Ticket | OmniHumanError
    try:
        outcome = pixazo.read_submission(reply, order("pixazo"))
    except OmniHumanError as error:
        outcome = error
    assert describe(outcome) == PURCHASES[name]


def working(said: str) -> dict[str, Any]:
    return {"is": "Working", "said": said}


def ready(**more: Any) -> dict[str, Any]:
    place = f"https://pub-582b7213209642b9b995c96c95a30381.r2.dev/v1/{ID}/output.mp4"
    return {"is": "Ready", "urls": [place], **more}


FAILED = {"is": "Failed", "error": {"is": "Refused", "code": "FAILED"}, "retryable": False}
BROKEN = {"is": "Failed", "error": TRANSIENT, "retryable": True, "charged": False}

POLLS = {
    "poll_queued": working("QUEUED"),
    "poll_processing": working("PROCESSING"),
    "poll_processing_lower_case": working("processing"),
    "poll_new_status": working("WARMING_UP"),
    "poll_completed": ready(generated=Decimal("110.89")),
    "poll_completed_lower_case": ready(),
    "poll_completed_one_address": ready(),
    "poll_completed_backwards": ready(),
    "poll_completed_without_file": UNREADABLE,
    "poll_completed_without_output": UNREADABLE,
    "poll_completed_hostile_address": UNREADABLE,
    "poll_failed": FAILED,
    "poll_failed_silently": FAILED,
    "poll_error": BROKEN,
    "poll_without_status": UNREADABLE,
    "poll_not_found": TRANSIENT,
    "poll_bad_key": BLOCKED,
    "poll_rate_limited": {**TRANSIENT, "retry_after": 5.0},
    "poll_proxy_page": TRANSIENT,
    "poll_page_with_200": UNREADABLE,
}


@pytest.mark.parametrize("name", POLLS)
def test_each_answer_about_a_job_means_one_thing(
    name: str, recorded: Any, follow: Any, describe: Any
) -> None:
    """ERROR is free and may go better; what FAILED costs nobody says; other words mean waiting."""
    exchange = follow(pixazo.checking(TICKET), recorded("pixazo", name))
    assert describe(exchange.outcome) == POLLS[name]


def test_the_status_is_asked_for_at_the_known_address(recorded: Any, follow: Any) -> None:
    """The `polling_url` of an answer is never followed."""
    exchange = follow(pixazo.checking(TICKET), recorded("pixazo", "poll_queued"))
    assert exchange.calls[0].url == f"https://gateway.pixazo.ai/v2/requests/status/{ID}"


def test_the_body(order: Any) -> None:
    """Golden: the resolution is written out, the callback travels in headers."""
    plain = pixazo.submission_call(order("pixazo"))
    assert plain.url == (
        "https://gateway.pixazo.ai/bytedance-omnihuman-v1-5-290/v1/bytedance-omnihuman-v1-5-request"
    )
    assert plain.headers == {"Cache-Control": "no-cache"}
    assert plain.json == {
        "image_url": "https://media.example/image.png",
        "audio_url": "https://media.example/audio.mp3",
        "resolution": "1080p",
    }
    wished = pixazo.submission_call(
        order(
            "pixazo", resolution="480p", webhook_url="https://hooks.example/x", webhook_mode="sync"
        )
    )
    assert isinstance(wished.json, dict)
    assert wished.json["resolution"] == "480p"
    assert wished.headers == {
        "Cache-Control": "no-cache",
        "X-Webhook-URL": "https://hooks.example/x",
        "X-Webhook-Mode": "sync",
    }


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000/x", "http://localhost/x", "http://[::1]/x"]
)
def test_a_callback_on_this_machine_may_be_plain_http(address: str, order: Any) -> None:
    """So that the sandbox can call back."""
    assert pixazo.submission_call(order("pixazo", webhook_url=address)).headers["X-Webhook-URL"]


@pytest.mark.parametrize("address", ["http://hooks.example/x", "http://10.0.0.1/x", "hooks"])
def test_any_other_callback_must_be_https(address: str, order: Any) -> None:
    """Pixazo refuses the rest; a refusal that we foresee costs nothing."""
    with pytest.raises(InvalidRow) as caught:
        order("pixazo", webhook_url=address)
    assert caught.value.column == "webhook_url"
