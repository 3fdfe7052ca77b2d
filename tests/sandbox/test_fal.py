"""fal's wire: the queue, its states, and the truth at the result address."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Fal, Media

V1 = "fal-ai/bytedance/omnihuman"

# --- submitting and waiting ---------------------------------------------------------------------


def test_a_submission_is_answered_with_three_addresses(fal: Fal, sandbox: Sandbox) -> None:
    """200, and addresses that keep only owner and application."""
    answer = fal.submit()
    body = answer.json()
    base = f"{sandbox.url}/fal/queue/fal-ai/bytedance/requests/{body['request_id']}"
    assert answer.status_code == 200
    assert answer.headers["x-fal-request-id"] == body["request_id"]
    assert body == {
        "status": "IN_QUEUE",
        "request_id": body["request_id"],
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
        "queue_position": 0,
    }


def test_queued_requests_have_positions(fal: Fal, sandbox: Sandbox) -> None:
    """The position says how many are before, and falls when they leave."""
    sandbox.settings.fal.slots = 0
    submitted = [fal.submit().json() for _ in range(3)]
    assert [body["queue_position"] for body in submitted] == [0, 1, 2]
    fal.http.put(submitted[0]["cancel_url"], headers=fal.headers)
    places = [fal.get(body["status_url"]).json()["queue_position"] for body in submitted[1:]]
    assert places == [0, 1]


def test_the_states_are_told_in_turn(fal: Fal, sandbox: Sandbox) -> None:
    """IN_QUEUE, IN_PROGRESS, COMPLETED; 202 until then, 200 after, or 200 throughout."""
    sandbox.faults.add({"times": 1, "effect": {"kind": "stuck"}})
    sandbox.settings.fal.slots = 0
    stuck = fal.submit().json()
    queued = fal.get(stuck["status_url"])
    sandbox.settings.fal.slots = 2
    finished = fal.submit().json()
    fal.result(finished)
    done = fal.get(finished["status_url"], logs="1")
    working = fal.get(stuck["status_url"])
    assert (queued.status_code, queued.json()["status"]) == (202, "IN_QUEUE")
    assert (working.status_code, working.json()["status"]) == (202, "IN_PROGRESS")
    assert working.json()["logs"] is None
    assert done.status_code == 200
    assert done.json()["metrics"]["inference_time"] >= 0
    assert {"message", "timestamp", "level", "source"} <= set(done.json()["logs"][0])
    sandbox.settings.fal.running_status = 200
    sandbox.settings.fal.slots = 0
    assert fal.get(fal.submit().json()["status_url"]).status_code == 200


def test_the_result_is_the_output_object(fal: Fal) -> None:
    """A file with its details, and the duration that is billed."""
    answer = fal.result(fal.submit().json())
    video = answer.json()["video"]
    content = fal.http.get(video["url"]).content
    assert answer.status_code == 200
    assert answer.json()["duration"] == 2.0
    assert float(answer.headers["x-fal-billable-units"]) == 2.0
    assert (video["content_type"], video["file_size"]) == ("video/mp4", len(content))
    assert b'"resolution": "720p"' in content


def test_everything_but_the_address_can_be_left_out(fal: Fal, sandbox: Sandbox) -> None:
    """The documented examples have no duration and no details of the file."""
    sandbox.settings.fal.tells_duration = False
    body = fal.result(fal.submit().json()).json()
    assert list(body) == ["video"]
    assert list(body["video"]) == ["url"]


def test_the_result_is_not_there_before_its_time(fal: Fal, sandbox: Sandbox) -> None:
    """400 while the request is in progress."""
    sandbox.settings.fal.slots = 0
    answer = fal.get(fal.submit().json()["response_url"])
    assert (answer.status_code, answer.json()) == (400, {"detail": "Request is still in progress"})


def test_both_models_are_sold_at_their_prices(fal: Fal, sandbox: Sandbox, media: Media) -> None:
    """The first knows neither resolution nor prompt; what it does not know it ignores."""
    given = {"image_url": media.image(), "audio_url": media.audio()}
    fal.result(fal.submit({**given, "prompt": 5}, model=V1).json())
    fal.result(fal.submit(given).json())
    charges = [float(bought.charge_usd) for bought in sandbox.counts().purchases]
    assert charges == pytest.approx([2 * 0.14, 2 * 0.16])


def test_the_states_can_be_streamed(fal: Fal, sandbox: Sandbox) -> None:
    """Server-sent events until COMPLETED."""
    sandbox.settings.time_scale = 0.01
    body = fal.submit().json()
    url = f"{body['status_url']}/stream"
    with fal.http.stream("GET", url, headers=fal.headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line]
    states = [json.loads(line.removeprefix("data: "))["status"] for line in lines]
    assert states[-1] == "COMPLETED"
    assert states.count("COMPLETED") == 1
    assert states[0] in ("IN_QUEUE", "IN_PROGRESS")


# --- who may not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        (None, 'Cannot access application "fal-ai/bytedance". Authentication is required'),
        ("Bearer a:b", "Invalid Key Authorization header format. Expected"),
        ("Key nocolon", "Invalid Key Authorization header format. Expected"),
        ("Key wrong:key", "No user found for Key ID and Secret"),
    ],
)
def test_bad_keys_are_refused_in_fals_words(fal: Fal, header: str | None, detail: str) -> None:
    """401 with a sentence under `detail`, on submission and on status."""
    headers = {} if header is None else {"Authorization": header}
    known = fal.submit().json()
    url = f"{fal.sandbox.url}/fal/queue/{fal.model}"
    for answer in (
        fal.http.post(url, json=fal.input(), headers=headers),
        fal.http.get(known["status_url"], headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.json()["detail"].startswith(detail)


def test_an_unknown_application_is_not_found(fal: Fal) -> None:
    """404 with the name."""
    answer = fal.submit(model="fal-ai/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"detail": 'Application "fal-ai/nothing" not found'}


def test_an_unknown_endpoint_is_accepted_and_fails(fal: Fal) -> None:
    """The queue knows applications; the rest of the path is the application's business."""
    answer = fal.submit(model="fal-ai/bytedance/omnihuman/v9")
    assert answer.status_code == 200
    assert fal.result(answer.json()).status_code == 404


def test_long_addresses_do_not_exist(fal: Fal) -> None:
    """Polling under the whole endpoint id is 405, as many a client has learned."""
    ticket = fal.submit().json()["request_id"]
    url = f"{fal.sandbox.url}/fal/queue/{fal.model}/requests/{ticket}/status"
    assert fal.get(url).status_code == 405


def test_an_unknown_request_is_not_found(fal: Fal, sandbox: Sandbox) -> None:
    """404 with a status of its own."""
    url = f"{sandbox.url}/fal/queue/fal-ai/bytedance/requests/none"
    for answer in (fal.get(f"{url}/status"), fal.get(url)):
        assert (answer.status_code, answer.json()) == (404, {"status": "NOT_FOUND"})
    assert fal.http.put(f"{url}/cancel", headers=fal.headers).status_code == 404


@pytest.mark.parametrize(
    ("reason", "detail"),
    [("balance", "Exhausted balance"), ("suspended", "Admin lock")],
)
def test_a_locked_user_is_refused_before_anything_is_looked_at(
    fal: Fal, sandbox: Sandbox, reason: Any, detail: str
) -> None:
    """403 even for nonsense and for uploads, while the status of older requests goes on."""
    before = fal.submit().json()
    sandbox.settings.fal.blocked = reason
    token = f"{sandbox.url}/fal/rest/storage/auth/token?storage_type=fal-cdn-v3"
    for answer in (
        fal.submit(),
        fal.submit({"nonsense": 1}),
        fal.submit(model="fal-ai/bytedance/nowhere"),
        fal.http.post(token, json={}, headers=fal.headers),
    ):
        assert answer.status_code == 403
        assert f"User is locked. Reason: {detail}" in answer.json()["detail"]
    assert fal.result(before).status_code == 200
    assert sandbox.counts().accepted("fal") == 1


# --- what the model refuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"image_url": None}, [("missing", "image_url")]),
        (
            {"image_url": None, "audio_url": None},
            [("missing", "image_url"), ("missing", "audio_url")],
        ),
        ({"image_url": 5}, [("string_type", "image_url")]),
        ({"resolution": "480p"}, [("literal_error", "resolution")]),
        ({"turbo_mode": "maybe"}, [("bool_parsing", "turbo_mode")]),
    ],
)
def test_bad_input_is_accepted_and_fails_at_the_result(
    fal: Fal, sandbox: Sandbox, change: dict[str, Any], kinds: list[tuple[str, str]]
) -> None:
    """200 at submission, COMPLETED, then 422 with all complaints under `detail`; not charged."""
    body = {name: value for name, value in fal.input(**change).items() if value is not None}
    submitted = fal.submit(body)
    answer = fal.result(submitted.json())
    assert submitted.status_code == 200
    assert answer.status_code == 422
    assert [(item["type"], item["loc"][-1]) for item in answer.json()["detail"]] == kinds
    assert answer.headers["x-fal-retryable"] == "false"
    assert answer.headers["x-fal-billable-units"] == "0"
    assert (sandbox.counts().accepted("fal"), sandbox.counts().charged("fal")) == (1, 0)


def test_long_audio_is_refused_with_its_length(fal: Fal, media: Media) -> None:
    """The kind, the limit and what was given, as the documentation shows."""
    answer = fal.result(fal.submit(fal.input(audio_url=media.audio(41), resolution="1080p")).json())
    (item,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert item["type"] == "audio_duration_too_long"
    assert item["ctx"] == {"max_duration": 30, "provided_duration": 41}
    assert item["loc"] == ["body", "audio_url"]
    assert item["url"] == "https://docs.fal.ai/errors/#audio_duration_too_long"
    assert "Maximum is 30 seconds, provided is 41 seconds." in item["msg"]


@pytest.mark.parametrize(
    ("model", "resolution", "seconds", "taken"),
    [
        (V1, None, 29.9, True),
        (V1, None, 30.0, False),
        ("fal-ai/bytedance/omnihuman/v1.5", None, 30.0, False),
        ("fal-ai/bytedance/omnihuman/v1.5", "720p", 59.9, True),
        ("fal-ai/bytedance/omnihuman/v1.5", "720p", 60.0, False),
    ],
)
def test_each_model_has_its_limit(
    fal: Fal, *, model: str, resolution: str | None, seconds: float, taken: bool
) -> None:
    """30 seconds, or 60 at 720p; the limit itself is too long."""
    body = {"image_url": fal.media.image(), "audio_url": fal.media.audio(seconds)}
    body |= {"resolution": resolution} if resolution else {}
    answer = fal.result(fal.submit(body, model=model).json())
    assert answer.status_code == (200 if taken else 422)


def test_bad_media_have_kinds_of_their_own(fal: Fal, media: Media) -> None:
    """What cannot be fetched, read, or is of another format."""
    nowhere = f"{media.sandbox.url}/media/none"
    cases = [
        ({"image_url": nowhere}, "file_download_error"),
        ({"audio_url": nowhere}, "file_download_error"),
        ({"image_url": media.file(b"none")}, "image_load_error"),
        ({"audio_url": media.file(b"none")}, "unsupported_audio_format"),
        ({"image_url": media.image(kind="BMP")}, "unsupported_image_format"),
        ({"image_url": "no address"}, "file_download_error"),
        ({"image_url": "http://["}, "file_download_error"),
        ({"image_url": "http://127.0.0.1:1/nobody.png"}, "file_download_error"),
        ({"image_url": "file:///etc/hostname"}, "file_download_error"),
        ({"image_url": "data:image/png;base64,!"}, "file_download_error"),
    ]
    for change, kind in cases:
        answer = fal.result(fal.submit(fal.input(**change)).json())
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["type"] == kind


def test_inputs_may_be_data_uris(fal: Fal, media: Media) -> None:
    """fal takes `data:` wherever it takes an address."""
    image = "data:image/png;base64," + base64.b64encode(media.portrait()).decode()
    audio = "data:audio/wav;base64," + base64.b64encode(media.voice(4)).decode()
    answer = fal.result(fal.submit({"image_url": image, "audio_url": audio}).json())
    assert answer.json()["duration"] == 4.0


def test_the_mask_is_part_of_what_is_bought(fal: Fal, sandbox: Sandbox, media: Media) -> None:
    """Two masks are two contents."""
    given = fal.input()
    for mask in (media.image(shade=1), media.image(shade=2), media.image(shade=2)):
        assert fal.result(fal.submit({**given, "mask_url": mask}).json()).status_code == 200
    assert sorted(take.accepted for take in sandbox.counts().contents) == [1, 2]


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "status", "retryable"),
    [
        ("content", "content_policy_violation", 422, "false"),
        ("internal", "internal_server_error", 500, "true"),
        ("timeout", "generation_timeout", 504, "true"),
        ("unavailable", "downstream_service_unavailable", 500, "true"),
        ("downstream_service_error", "downstream_service_error", 400, "true"),
        ("face_detection_error", "face_detection_error", 422, "false"),
    ],
)
def test_model_errors_are_an_array(
    fal: Fal, sandbox: Sandbox, *, name: str, kind: str, status: int, retryable: str
) -> None:
    """COMPLETED, then the status of the kind; whether to try again stands in a header."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": name}})
    answer = fal.result(fal.submit().json())
    assert answer.status_code == status
    assert answer.json()["detail"][0]["type"] == kind
    assert answer.headers["x-fal-retryable"] == retryable


def test_a_rule_decides_whether_a_failure_is_worth_another_try(fal: Fal, sandbox: Sandbox) -> None:
    """`retryable` and `charged` are the rule's, where it says."""
    effect = {"kind": "fails", "failure": "internal", "retryable": False, "charged": True}
    sandbox.faults.add({"effect": effect})
    answer = fal.result(fal.submit().json())
    assert answer.headers["x-fal-retryable"] == "false"
    assert sandbox.counts().charged("fal") == 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [("runner_server_error", 500), ("runner_disconnected", 503), ("startup_timeout", 504)],
)
def test_request_errors_are_a_sentence(fal: Fal, sandbox: Sandbox, kind: str, status: int) -> None:
    """The machinery's errors are flat, with the kind in body and header."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": kind}})
    answer = fal.result(fal.submit().json())
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)
    assert answer.json()["error_type"] == answer.headers["x-fal-error-type"] == kind


def test_the_status_may_hint_at_the_failure(fal: Fal, sandbox: Sandbox) -> None:
    """Usually it says nothing; with the switch it has `error` and `error_type`."""
    sandbox.faults.add({"effect": {"kind": "fails", "failure": "runner_server_error"}})
    body = fal.submit().json()
    fal.result(body)
    silent = fal.get(body["status_url"]).json()
    sandbox.settings.fal.tells_error_in_status = True
    told = fal.get(body["status_url"]).json()
    assert "error" not in silent
    assert told["error_type"] == "runner_server_error"


# --- limits of the queue ------------------------------------------------------------------------


def test_a_full_queue_can_be_refused(fal: Fal, sandbox: Sandbox) -> None:
    """`fal_max_queue_length` gives 429 when more are waiting."""
    sandbox.settings.fal.slots = 0
    fal.submit()
    refused = fal.submit(params={"fal_max_queue_length": "1"})
    taken = fal.submit(params={"fal_max_queue_length": "2"})
    assert (refused.status_code, taken.status_code) == (429, 200)
    assert sandbox.counts().accepted("fal") == 2


def test_a_request_that_does_not_start_in_time_fails(fal: Fal, sandbox: Sandbox) -> None:
    """`X-Fal-Request-Timeout` counts until the work begins; 504, and the user's own fault."""
    sandbox.settings.fal.slots = 0
    late = fal.submit(headers={"X-Fal-Request-Timeout": "0.05"}).json()
    answer = fal.result(late)
    assert answer.status_code == 504
    assert answer.json()["error_type"] == "request_timeout"
    assert answer.headers["x-fal-request-timeout-type"] == "user"
    assert sandbox.counts().charged("fal") == 0


def test_a_request_that_starts_in_time_may_take_longer(fal: Fal, sandbox: Sandbox) -> None:
    """The limit does not count the work."""
    sandbox.settings.time_scale = 0.01
    body = fal.submit(headers={"X-Fal-Request-Timeout": "0.05"}).json()
    assert fal.result(body).status_code == 200


def test_the_life_of_a_file_can_be_chosen(fal: Fal, until: Any) -> None:
    """`X-Fal-Object-Lifecycle-Preference` sets when the address dies."""
    wish = json.dumps({"expiration_duration_seconds": 0.3})
    body = fal.submit(headers={"X-Fal-Object-Lifecycle-Preference": wish}).json()
    url = fal.result(body).json()["video"]["url"]
    until(lambda: fal.http.get(url).status_code == 404, "the death of the address")


# --- cancelling ---------------------------------------------------------------------------------


def test_a_queued_request_can_be_cancelled(fal: Fal, sandbox: Sandbox) -> None:
    """202, then 499 `client_cancelled` at the result; nothing is charged."""
    sandbox.settings.fal.slots = 0
    body = fal.submit().json()
    answer = fal.http.put(body["cancel_url"], headers=fal.headers)
    assert (answer.status_code, answer.json()) == (202, {"status": "CANCELLATION_REQUESTED"})
    result = fal.result(body)
    assert (result.status_code, result.json()["error_type"]) == (499, "client_cancelled")
    (bought,) = sandbox.counts().purchases
    assert (bought.cancelled, bought.charged) == (True, False)


def test_a_running_request_can_be_cancelled(fal: Fal, sandbox: Sandbox) -> None:
    """Its slot is free for the next one."""
    sandbox.settings.fal.slots = 1
    sandbox.faults.add({"times": 1, "effect": {"kind": "stuck"}})
    stuck, next_one = fal.submit().json(), fal.submit().json()
    assert fal.http.put(stuck["cancel_url"], headers=fal.headers).status_code == 202
    assert fal.result(next_one).status_code == 200


def test_a_finished_request_cannot_be_cancelled(fal: Fal) -> None:
    """400, and the result stays."""
    body = fal.submit().json()
    fal.result(body)
    answer = fal.http.put(body["cancel_url"], headers=fal.headers)
    assert (answer.status_code, answer.json()) == (400, {"status": "ALREADY_COMPLETED"})
    assert fal.get(body["response_url"]).status_code == 200


def test_a_repeated_submission_is_bought_again(fal: Fal, sandbox: Sandbox) -> None:
    """There is no key against it: the same body twice is two jobs and two charges."""
    body = fal.input()
    first, second = fal.submit(body).json(), fal.submit(body).json()
    fal.result(first)
    fal.result(second)
    (take,) = sandbox.counts().bought_twice()
    assert (take.accepted, take.charged) == (2, 2)
    assert first["request_id"] != second["request_id"]


def test_models_take_their_time(fal: Fal, sandbox: Sandbox) -> None:
    """`base + per second x audio seconds`, scaled."""
    sandbox.settings.generation.jitter = 0
    sandbox.settings.time_scale = 0.01
    began = time.monotonic()
    fal.result(fal.submit().json())
    assert time.monotonic() - began >= (20 + 6 * 2) * 0.01
