"""What is peculiar to Runware: ids of ours, errors beside data, the repeat that heals."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from omnihuman_blocks.domain.identity import attempt_uuid
from omnihuman_blocks.domain.job import Job, JobKey, MediaKind, Staged, Submission, Ticket, Upload
from omnihuman_blocks.domain.wire import HttpReply
from omnihuman_blocks.errors import InvalidRow, OmniHumanError
from omnihuman_blocks.providers import runware
from omnihuman_blocks.providers.runware_codes import EXACT, Meaning, meaning

UUID = attempt_uuid(JobKey("5ca1ab1e" * 8), 1)
BOUGHT = {"is": "Ticket", "id": UUID}
BLOCKED = {"is": "AccountBlocked"}
DOUBT = {"is": "InDoubt"}
UNREADABLE = {"is": "Unreadable"}
TRANSIENT = {"is": "Transient"}
SOON, LATE = timedelta(minutes=9), timedelta(minutes=11)


def refused(code: str) -> dict[str, Any]:
    return {"is": "Refused", "code": code}


PURCHASES = {
    "purchase_accepted": BOUGHT,
    "purchase_duplicate": BOUGHT,
    "purchase_duplicate_unnamed": BOUGHT,
    "purchase_accepted_and_failed": BOUGHT,
    "purchase_bad_key": BLOCKED,
    "purchase_no_credit_402": BLOCKED,
    "purchase_no_credit_400": BLOCKED,
    "purchase_forbidden_page": BLOCKED,
    "purchase_rate_limited": {**TRANSIENT, "retry_after": 7.0},
    "purchase_queue_full": TRANSIENT,
    "purchase_invalid": refused("unsupportedParameter"),
    "purchase_missing_input": refused("missingInputsAudio"),
    "purchase_unsafe": refused("contentPolicyViolation"),
    "purchase_unknown_model": refused("modelNotFound"),
    "purchase_provider_broke": DOUBT,
    "purchase_provider_broke_400": DOUBT,
    "purchase_server_error": DOUBT,
    "purchase_new_code_400": refused("somethingNobodyKnows"),
    "purchase_new_code_200": DOUBT,
    "purchase_new_code_500": DOUBT,
    "purchase_early_error": refused("invalidTaskType"),
    "purchase_oldest_error": BLOCKED,
    "purchase_proxy_page": DOUBT,
    "purchase_page_with_200": UNREADABLE,
    "purchase_empty_object": UNREADABLE,
    "purchase_somebody_elses": UNREADABLE,
}


@pytest.mark.parametrize("name", PURCHASES)
def test_the_code_decides_what_became_of_a_purchase(
    name: str, order: Any, recorded: Any, describe: Any
) -> None:
    """Each recorded answer to a purchase means exactly one thing."""
    (reply,) = recorded("runware", name)
    outcome: Ticket | OmniHumanError
    try:
        outcome = runware.read_submission(reply, order("runware"))
    except OmniHumanError as error:
        outcome = error
    assert describe(outcome) == PURCHASES[name]


def video(**more: Any) -> dict[str, Any]:
    name = "5a92e5b9-dcb2-41c4-9eaa-f6d74636fa1d"
    url = f"https://vm.runware.ai/video/os/a13d12/ws/5/vi/{name}.mp4"
    return {"is": "Ready", "urls": [url], "ids": (name,), **more}


def two(*numbers: int) -> dict[str, Any]:
    names = tuple(f"aaaaaaaa-0000-4000-8000-00000000000{number}" for number in numbers)
    urls = [f"https://vm.runware.ai/video/os/a13d12/ws/5/vi/{name}.mp4" for name in names]
    return {"is": "Ready", "urls": urls, "ids": names}


def working(said: str, **more: Any) -> dict[str, Any]:
    return {"is": "Working", "said": said, **more}


def failed(code: str | None) -> dict[str, Any]:
    return {"is": "Failed", "error": {"is": "Refused", "code": code}, "retryable": False}


HICCUP = {"is": "Failed", "error": TRANSIENT, "retryable": True}
SEED, COST = (955097142,), Decimal("1.3638")

POLLS: dict[str, tuple[int, dict[str, Any]]] = {
    "poll_empty": (1, working("waiting, or not known")),
    "poll_processing": (1, working("processing")),
    "poll_progress": (1, working("processing", percent=42)),
    "poll_pending": (1, working("pending")),
    "poll_success": (1, video(seeds=SEED, usd=COST, unsafe=(False,))),
    "poll_success_without_status": (1, video(seeds=SEED, usd=COST)),
    "poll_success_as_get_response": (1, video(usd=COST)),
    "poll_success_without_cost": (1, video()),
    "poll_success_odd_ornaments": (1, {"is": "Ready", "urls": video()["urls"]}),
    "poll_success_beyond_numbers": (1, video()),
    "poll_success_flagged": (1, video(usd=Decimal("1.0"), unsafe=(True,))),
    "poll_success_without_address": (1, UNREADABLE),
    "poll_success_hostile_address": (1, UNREADABLE),
    "poll_two_repeated": (2, {**two(1, 2), "seeds": (1, 2), "usd": Decimal("2.75")}),
    "poll_one_of_two": (2, working("processing")),
    "poll_one_of_two_alone": (2, working("1 of 2 ready")),
    "poll_one_of_two_failed": (2, {**two(1), "usd": Decimal("1.5"), "failures": 1}),
    "poll_failed": (1, HICCUP),
    "poll_failed_inside": (1, failed("invalidProviderContent")),
    "poll_failed_bare": (1, failed(None)),
    "poll_failed_unmarked": (1, failed("contentPolicyViolation")),
    "poll_failed_new_code": (1, failed("somethingNobodyKnows")),
    "poll_failed_no_credit": (1, failed("insufficientCredits")),
    "poll_failed_provider_busy": (1, HICCUP),
    "poll_failed_with_400": (1, HICCUP),
    "poll_expired": (1, failed("taskExpired")),
    "poll_cancelled": (1, failed("taskCancelled")),
    "poll_not_found": (1, TRANSIENT),
    "poll_failed_or_not_found": (1, TRANSIENT),
    "poll_duplicate_rejected": (1, TRANSIENT),
    "poll_server_error": (1, TRANSIENT),
    "poll_bad_key": (1, BLOCKED),
    "poll_no_credit": (1, BLOCKED),
    "poll_rate_limited": (1, {**TRANSIENT, "retry_after": 3.0}),
    "poll_proxy_page": (1, TRANSIENT),
    "poll_empty_with_503": (1, TRANSIENT),
    "poll_page_with_200": (1, UNREADABLE),
    "poll_list": (1, UNREADABLE),
}


@pytest.mark.parametrize("name", POLLS)
def test_each_answer_to_a_poll_means_one_thing(
    name: str, recorded: Any, follow: Any, describe: Any
) -> None:
    """Every recorded state and error is read as what it is; only a verdict ends a job."""
    results, expected = POLLS[name]
    ticket = Ticket(provider="runware", model="bytedance:5@2", id=UUID, results=results)
    exchange = follow(runware.checking(ticket), recorded("runware", name))
    assert describe(exchange.outcome) == expected


def test_several_videos_are_waited_for_as_one(order: Any, recorded: Any) -> None:
    """The ticket knows how many were asked for, so one finished video of two is not the end."""
    submission = order("runware", number_results=2)
    (reply,) = recorded("runware", "purchase_accepted")
    assert runware.read_submission(reply, submission).results == 2


def test_the_body_of_omnihuman_15(order: Any) -> None:
    """Golden: what is sent, with every default written out."""
    call = runware.submission_call(
        order(
            "runware",
            prompt="A calm studio",
            seed=7,
            fast_mode=True,
            upload_endpoint="https://bucket.example/{job_key}.mp4?signature=1",
            safety_check_content=True,
            safety_mode="full",
            ttl=3600,
            webhook_url="https://hooks.example/x",
        )
    )
    assert call.json == [
        {
            "taskType": "videoInference",
            "taskUUID": UUID,
            "model": "bytedance:5@2",
            "outputType": "URL",
            "deliveryMethod": "async",
            "numberResults": 1,
            "outputFormat": "MP4",
            "outputQuality": 95,
            "includeCost": True,
            "safety": {"checkContent": True, "mode": "full"},
            "ttl": 3600,
            "uploadEndpoint": f"https://bucket.example/{'5ca1ab1e' * 8}.mp4?signature=1",
            "webhookURL": "https://hooks.example/x",
            "positivePrompt": "A calm studio",
            "seed": 7,
            "providerSettings": {"bytedance": {"fastMode": True}},
            "inputs": {
                "image": "https://media.example/image.png",
                "audio": "https://media.example/audio.mp3",
            },
        }
    ]


def test_the_body_of_omnihuman_1(order: Any) -> None:
    """Golden: the older model takes its one image as a list."""
    call = runware.submission_call(order("runware", "1"))
    assert (call.method, call.url) == ("POST", "https://api.runware.ai/v1")
    assert call.json == [
        {
            "taskType": "videoInference",
            "taskUUID": UUID,
            "model": "bytedance:5@1",
            "outputType": "URL",
            "deliveryMethod": "async",
            "numberResults": 1,
            "outputFormat": "MP4",
            "outputQuality": 95,
            "includeCost": True,
            "inputs": {
                "referenceImages": ["https://media.example/image.png"],
                "audio": "https://media.example/audio.mp3",
            },
        }
    ]


def test_each_attempt_has_an_id_of_its_own_for_ever(order: Any) -> None:
    """The same attempt is sent under the same id on every machine, the next one under another."""
    first, again = (runware.submission_call(order("runware")).json for _ in range(2))
    second = runware.submission_call(order("runware", attempt=2)).json
    assert first == again != second


def test_an_upload_endpoint_must_name_its_job(order: Any) -> None:
    """Otherwise a thousand videos would be written over each other."""
    with pytest.raises(InvalidRow, match="job_key") as caught:
        order("runware", upload_endpoint="https://bucket.example/video.mp4")
    assert caught.value.column == "upload_endpoint"


# --- a lost answer ----------------------------------------------------------------------------

ACCEPTED = ("purchase_accepted", "purchase_duplicate")


@pytest.mark.parametrize("name", ["poll_processing", "poll_success", "poll_failed"])
def test_a_purchase_that_is_seen_was_accepted(
    name: str, order: Any, recorded: Any, follow: Any, describe: Any
) -> None:
    """Whatever the vendor shows under our id, it shows because it was bought: nothing is sent."""
    exchange = follow(runware.recovering(order("runware"), SOON), recorded("runware", name))
    assert describe(exchange.outcome) == BOUGHT


@pytest.mark.parametrize("name", ACCEPTED)
@pytest.mark.parametrize("archive", ["details_empty", "details_not_found", "details_of_a_refusal"])
@pytest.mark.parametrize("seen", ["poll_empty", "poll_not_found"])
def test_a_fresh_purchase_that_is_not_seen_is_sent_again_unchanged(
    *, seen: str, archive: str, name: str, order: Any, recorded: Any, follow: Any, describe: Any
) -> None:
    """The repeat is the same body under the same id, and both of its answers mean accepted."""
    submission = order("runware")
    unknown = recorded("runware", seen) + recorded("runware", archive)
    replies = unknown + recorded("runware", name)
    exchange = follow(runware.recovering(submission, SOON), replies)
    assert describe(exchange.outcome) == BOUGHT
    assert exchange.calls[-1] == replace(runware.submission_call(submission), spends=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "purchase_invalid": DOUBT,
        "purchase_unsafe": DOUBT,
        "purchase_provider_broke": DOUBT,
        "purchase_proxy_page": DOUBT,
        "purchase_page_with_200": UNREADABLE,
        "purchase_no_credit_400": BLOCKED,
        "purchase_rate_limited": {**TRANSIENT, "retry_after": 7.0},
    }.items(),
)
def test_a_refused_repeat_says_nothing_about_the_first(
    *, name: str, expected: object, order: Any, recorded: Any, follow: Any, describe: Any
) -> None:
    """The first may have been accepted all the same: no answer to a repeat rules it out."""
    unknown = recorded("runware", "poll_empty") + recorded("runware", "details_not_found")
    replies = unknown + recorded("runware", name)
    exchange = follow(runware.recovering(order("runware"), SOON), replies)
    assert describe(exchange.outcome) == expected


@pytest.mark.parametrize("name", ["details_of_a_video", "details_of_a_rejected_repeat"])
def test_a_fresh_purchase_that_only_the_archive_knows_is_not_sent_again(
    name: str, order: Any, recorded: Any, follow: Any, describe: Any
) -> None:
    """A vendor that forgets a finished job quickly does not sell it a second time."""
    replies = recorded("runware", "poll_empty") + recorded("runware", name)
    exchange = follow(runware.recovering(order("runware"), SOON), replies)
    assert describe(exchange.outcome) == BOUGHT


@pytest.mark.parametrize("age", [LATE, timedelta(days=3), -LATE])
@pytest.mark.parametrize(
    ("name", "is_found"),
    {
        "details_of_a_video": True,
        "details_of_a_rejected_repeat": True,
        "details_of_a_refusal": False,
        "details_empty": False,
        "details_not_found": False,
        "details_not_supported": False,
    }.items(),
)
def test_an_old_purchase_is_looked_for_and_never_sent_again(
    *, name: str, is_found: bool, age: timedelta, order: Any, recorded: Any, follow: Any
) -> None:
    """After ten minutes a repeat might buy, so the archive is asked instead."""
    replies = recorded("runware", "poll_empty") + recorded("runware", name)
    exchange = follow(runware.recovering(order("runware"), age), replies)
    sent = [task["taskType"] for call in exchange.calls for task in call.json]
    assert sent == ["getResponse", "getTaskDetails"]
    assert (exchange.outcome is not None) is is_found
    assert exchange.outcome is None or exchange.outcome.id == UUID


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "poll_bad_key": BLOCKED,
        "poll_no_credit": BLOCKED,
        "poll_server_error": TRANSIENT,
        "poll_proxy_page": TRANSIENT,
        "poll_page_with_200": UNREADABLE,
    }.items(),
)
@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("age", [SOON, LATE])
def test_a_search_that_fails_is_no_sign_of_anything(
    *,
    age: timedelta,
    step: int,
    name: str,
    expected: object,
    order: Any,
    recorded: Any,
    follow: Any,
    describe: Any,
) -> None:
    """A question that was not answered is asked again, and nothing is sent because of it."""
    replies = [*recorded("runware", "poll_empty")] * step + recorded("runware", name)
    exchange = follow(runware.recovering(order("runware"), age), replies)
    assert describe(exchange.outcome) == expected


# --- many at once -----------------------------------------------------------------------------


def many(order: Any, count: int) -> list[Submission]:
    submission = order("runware")
    jobs: list[Job] = [replace(submission.job, key=JobKey(f"{n:064x}")) for n in range(count)]
    return [replace(submission, job=job) for job in jobs]


def uuids(submissions: list[Submission]) -> list[str]:
    return [attempt_uuid(each.job.key, each.attempt) for each in submissions]


def answer(status: int, **body: Any) -> HttpReply:
    return HttpReply(status=status, text=json.dumps(body))


def test_many_purchases_travel_in_one_request_and_each_gets_its_own_answer(
    order: Any, describe: Any
) -> None:
    """One refusal in the middle neither hides a ticket nor lends its error to a neighbour."""
    submissions = many(order, 5)
    first, second, third, fourth, _ = uuids(submissions)
    call = runware.TOGETHER.submission_call(submissions)
    assert call.spends
    assert isinstance(call.json, list)
    assert len(call.json) == 5
    reply = answer(
        400,
        data=[{"taskType": "videoInference", "taskUUID": third}, {"taskUUID": first}],
        errors=[
            {"code": "unsupportedParameter", "message": "no", "taskUUID": second},
            {"code": "conflictTaskUUID", "message": "there", "taskUUID": fourth},
        ],
    )
    told = [describe(each) for each in runware.TOGETHER.read_submissions(reply, submissions)]
    assert told == [
        {"is": "Ticket", "id": first},
        refused("unsupportedParameter"),
        {"is": "Ticket", "id": third},
        {"is": "Ticket", "id": fourth},
        DOUBT,
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    {
        "invalidApiKey": BLOCKED,
        "insufficientCredits": BLOCKED,
        "rateLimitExceeded": TRANSIENT,
        "unsupportedParameter": DOUBT,
        "internalServerError": DOUBT,
    }.items(),
)
def test_an_error_without_a_name_among_many(
    code: str, expected: object, order: Any, describe: Any
) -> None:
    """About the account it is about all; about one task it is nobody's, so all are in doubt."""
    submissions = many(order, 2)
    reply = answer(400, data=[], errors=[{"code": code, "message": "no"}])
    told = [describe(each) for each in runware.TOGETHER.read_submissions(reply, submissions)]
    assert told == [expected] * 2


def test_one_alone_in_a_request_owns_the_error_without_a_name(order: Any, describe: Any) -> None:
    """Where there is only one task there is nobody else whom it could mean."""
    submissions = many(order, 1)
    reply = answer(400, errors=[{"code": "unsupportedParameter", "message": "no"}])
    (told,) = runware.TOGETHER.read_submissions(reply, submissions)
    assert describe(told) == refused("unsupportedParameter")


def test_many_jobs_are_asked_about_in_one_request(follow: Any, describe: Any) -> None:
    """A broken neighbour spoils nobody's news."""
    tickets = [
        Ticket(provider="runware", model="bytedance:5@2", id=uuid) for uuid in ("a", "b", "c", "d")
    ]
    reply = answer(
        200,
        data=[
            {"taskUUID": "b", "status": "processing"},
            {"taskUUID": "a", "status": "success", "videoURL": "https://vm.runware.ai/a.mp4"},
            {"taskUUID": "d", "status": "success", "videoURL": "nowhere"},
        ],
        errors=[{"taskUUID": "c", "status": "error", "code": "providerError", "message": "no"}],
    )
    exchange = follow(runware.TOGETHER.checking(tickets), [reply])
    assert [task["taskUUID"] for task in exchange.calls[0].json] == ["a", "b", "c", "d"]
    assert [describe(each)["is"] for each in exchange.outcome] == [
        "Ready",
        "Working",
        "Failed",
        "Unreadable",
    ]


# --- uploads ----------------------------------------------------------------------------------


def uploaded(flow: Any, recorded: Any, *names: str) -> tuple[list[Any], object]:
    """Answers each upload with a file, under the id that it was sent with."""
    tasks: list[Any] = []
    waiting = list(names)
    outcome: object = None
    try:
        call = next(flow)
        while True:
            (task,) = call.json
            tasks.append(task)
            (reply,) = recorded("runware", waiting.pop(0), upload=task["taskUUID"])
            call = flow.send(reply)
    except StopIteration as end:
        outcome = end.value
    except OmniHumanError as error:
        outcome = error
    assert not waiting
    return tasks, outcome


STORED = "989ba605-1449-4e1e-b462-cd83ec9c1a67"


def test_media_are_stored_under_an_id(upload: Callable[[MediaKind], Upload], recorded: Any) -> None:
    """Audio goes to the media storage as a data URI, and the vendor's own id comes back."""
    flow = runware.staging(upload(MediaKind.AUDIO))
    (task,), staged = uploaded(flow, recorded, "upload_stored")
    assert (task["taskType"], task["operation"]) == ("mediaStorage", "upload")
    assert task["media"].startswith("data:audio/mpeg;base64,")
    assert staged == Staged(address=STORED, kept_for=timedelta(days=1))


def test_an_address_will_do_where_there_is_no_id(
    upload: Callable[[MediaKind], Upload], recorded: Any
) -> None:
    """Either of the two is a place at which the vendor finds a medium."""
    flow = runware.staging(upload(MediaKind.AUDIO))
    _, staged = uploaded(flow, recorded, "upload_stored_as_address")
    assert isinstance(staged, Staged)
    assert staged.address == "https://im.runware.ai/media/989ba605.mp3"


def test_an_image_has_a_second_way_in(upload: Callable[[MediaKind], Upload], recorded: Any) -> None:
    """Where media storage is refused, the older upload takes images."""
    flow = runware.staging(upload(MediaKind.IMAGE))
    tasks, staged = uploaded(flow, recorded, "upload_unsupported", "upload_image_stored")
    assert [task["taskType"] for task in tasks] == ["mediaStorage", "imageUpload"]
    assert staged == Staged(
        address="7fd0f40c-1c4b-4d5f-9f8e-2c4b8f1d3a55", kept_for=timedelta(days=30)
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "upload_unsupported": refused("unsupportedTaskType"),
        "upload_new_code_400": refused("somethingNobodyKnows"),
        "upload_new_code_200": TRANSIENT,
        "upload_no_credit": BLOCKED,
        "upload_too_large_page": refused("http_413"),
        "upload_unavailable": TRANSIENT,
        "upload_empty": UNREADABLE,
        "upload_page_with_200": UNREADABLE,
        "upload_stored_odd_id": UNREADABLE,
    }.items(),
)
def test_an_upload_that_failed_says_why(
    name: str,
    expected: object,
    upload: Callable[[MediaKind], Upload],
    recorded: Any,
    describe: Any,
) -> None:
    """Audio has no second way in; a file that arrived nowhere is never taken for one that did."""
    _, outcome = uploaded(runware.staging(upload(MediaKind.AUDIO)), recorded, name)
    assert describe(outcome) == expected


def test_an_upload_under_a_taken_id_takes_the_next(
    upload: Callable[[MediaKind], Upload], recorded: Any
) -> None:
    """The same file can be brought again after it was forgotten: ids are never used twice."""
    flow = runware.staging(upload(MediaKind.AUDIO))
    tasks, staged = uploaded(flow, recorded, "upload_taken_id", "upload_stored")
    assert isinstance(staged, Staged)
    assert len({task["taskUUID"] for task in tasks}) == 2


def test_uploads_do_not_go_on_for_ever(
    upload: Callable[[MediaKind], Upload], recorded: Any, describe: Any
) -> None:
    """Eight ids for one file, then it is left for later."""
    flow = runware.staging(upload(MediaKind.AUDIO))
    tasks, outcome = uploaded(flow, recorded, *["upload_taken_id"] * 8)
    assert len({task["taskUUID"] for task in tasks}) == 8
    assert describe(outcome) == TRANSIENT


# --- codes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    {
        None: Meaning.UNKNOWN,
        "": Meaning.UNKNOWN,
        "conflictTaskUUID": Meaning.ACCEPTED,
        "conflictParameters": Meaning.REFUSED,
        "missingApiKey": Meaning.KEY,
        "thirdPartyInsufficientCredits": Meaning.CREDIT,
        "quotaExceeded": Meaning.CREDIT,
        "balanceTooLow": Meaning.CREDIT,
        "inferenceRateLimitRequestTooLarge": Meaning.BUSY,
        "timeout": Meaning.SHAKY,
        "timeoutProvider": Meaning.SHAKY,
        "providerGatewayTimeout": Meaning.SHAKY,
        "providerAuthenticationFailed": Meaning.SHAKY,
        "providerNotFound": Meaning.REFUSED,
        "mediaExpired": Meaning.REFUSED,
        "invalidPositivePrompt": Meaning.REFUSED,
        "valueTooLarge": Meaning.REFUSED,
        "arrayTooSmall": Meaning.REFUSED,
        "maxFileSizeExceeded": Meaning.REFUSED,
        "duplicateSeed": Meaning.REFUSED,
        "unsupportedParameter": Meaning.REFUSED,
        "somethingNobodyKnows": Meaning.UNKNOWN,
    }.items(),
)
def test_a_code_has_one_meaning(code: str | None, expected: Meaning) -> None:
    """The first rule that knows a code decides."""
    assert meaning(code) is expected


def test_the_vendors_own_client_sorts_codes_alike() -> None:
    """Where its client and we both know a code, we agree on whose fault it is."""
    from runware.errors import derive_code  # noqa: PLC0415

    alike = {
        "auth": {Meaning.KEY},
        "quota": {Meaning.CREDIT},
        "rateLimit": {Meaning.BUSY},
        "safety": {Meaning.REFUSED},
        "notFound": {Meaning.REFUSED, Meaning.UNSEEN},
        "provider": {Meaning.SHAKY},
        "serverError": {Meaning.SHAKY},
        "validation": {Meaning.REFUSED, Meaning.ACCEPTED},
        "timeout": {Meaning.SHAKY},
    }
    differences = {
        code: found for code, found in EXACT.items() if found not in alike[derive_code(code)]
    }
    assert not differences
