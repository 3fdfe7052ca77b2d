"""Any answer whatever is understood or refused with an error of ours, never with another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihuman_blocks.domain.identity import attempt_uuid
from omnihuman_blocks.domain.job import (
    Cancelled,
    Failed,
    JobKey,
    MediaKind,
    Ready,
    Staged,
    Submission,
    Ticket,
    Upload,
    Working,
)
from omnihuman_blocks.domain.pricing import settle
from omnihuman_blocks.domain.wire import Flow, HttpReply, is_ident, is_web_address
from omnihuman_blocks.errors import OmniHumanError, Refused
from omnihuman_blocks.providers import PROVIDERS

TASK = attempt_uuid(JobKey("5ca1ab1e" * 8), 1)
VOCABULARY = """
data errors error status taskUUID code message videoURL videoUUID cost seed progress response
NSFWContent mediaUUID mediaURL imageUUID detail type msg error_type request_id logs duration
queue_position video url metrics inference_time token token_type base_url access_url output
upload_url file_url success media_url created_at completed_at id meta usage credits_used
tokens_used pagination has_more client_request_id inference_id name credits errorMessage
"""
STATES = """
success error processing COMPLETED completed FAILED ERROR IN_QUEUE queued conflictTaskUUID
taskNotFound insufficientCredits timeoutProvider invalidX newCode
"""
NAMES = VOCABULARY.split()
WORDS = [
    *STATES.split(),
    TASK,
    f"omnihuman:{'5ca1ab1e' * 8}:1",
    "https://cdn.example/v.mp4",
    "https://[broken",
    "2026-05-22 13:19:23",
    "2026-05-22T13:17:32.110Z",
    "0001-01-01T00:00:00+23:59",
    "Request is still in progress",
    "HUGE",
    "DIGITS",
    "..",
    "\ud800",
    "a\x00b",
]
leaves = (
    st.sampled_from(WORDS)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=20,
)


def _written(value: object) -> str:
    """JSON as a careless server writes it, numbers beyond all bounds included."""
    text = json.dumps(value).replace('"HUGE"', "1e999999999")
    return text.replace('"DIGITS"', "9" * 400)


bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=8) | values
headers = st.dictionaries(
    st.sampled_from(
        ["retry-after", "date", "x-fal-error-type", "x-fal-retryable", "x-fal-billable-units"]
    ),
    st.sampled_from(["true", "0", "-1", "nan", "1e999", "soon", "12.5", "1e999999999"])
    | st.text(max_size=10),
)
replies = st.builds(
    HttpReply,
    status=st.sampled_from([200, 200, 200, 202, 400, 401, 404, 422, 429, 500, 503])
    | st.integers(100, 599),
    headers=headers,
    text=bodies.map(_written) | st.text(max_size=40),
)
vendors = pytest.mark.parametrize("vendor", PROVIDERS)


def outcomes(
    vendor: str, submission: Submission, media: list[Upload], answers: list[HttpReply]
) -> Iterator[object]:
    """What every reader and every flow of a room makes of these answers."""
    here = PROVIDERS[vendor]
    ticket = Ticket(provider=vendor, model=submission.job.model, id=TASK, results=2)
    yield read(lambda: here.read_submission(answers[0], submission))
    yield from ask(here.checking(ticket), answers)
    if here.recovering is not None:
        yield from ask(here.recovering(submission, timedelta(minutes=1)), answers)
        yield from ask(here.recovering(submission, timedelta(days=1)), answers)
    if here.cancelling is not None:
        yield from ask(here.cancelling(ticket), answers)
    for medium in media if here.staging else []:
        yield from ask(here.staging(medium), answers) if here.staging else ()
    if here.TOGETHER is not None:
        yield from here.TOGETHER.read_submissions(answers[0], [submission] * 2)
        for each in ask(here.TOGETHER.checking([ticket] * 2), answers):
            yield from each if isinstance(each, list) else [each]


def read(reader: Callable[[], object]) -> object:
    try:
        return reader()
    except OmniHumanError as error:
        return error


def ask(flow: Flow[Any], answers: list[HttpReply]) -> Iterator[object]:
    """Answers a flow as long as there are answers; one that wants more is left alone."""
    try:
        next(flow)
        for answer in answers:
            flow.send(answer)
    except StopIteration as end:
        yield end.value
    except OmniHumanError as error:
        yield error
    finally:
        flow.close()


@vendors
@settings(max_examples=150, deadline=None)
@given(answers=st.lists(replies, min_size=3, max_size=3))
def test_any_answer_is_understood_or_refused(
    vendor: str, answers: list[HttpReply], order: Any, upload: Callable[[MediaKind], Upload]
) -> None:
    """And whatever comes out of it can be stored, shown and paid."""
    media = [upload(kind) for kind in sorted(PROVIDERS[vendor].STAGES)]
    for outcome in outcomes(vendor, order(vendor), media, answers):
        check(vendor, outcome)


def check(vendor: str, outcome: object) -> None:
    match outcome:
        case OmniHumanError():
            check_error(outcome)
        case Failed():
            check_error(outcome.error)
            assert outcome.charged in (None, False)
        case Ready():
            assert outcome.outputs
            assert all(is_web_address(output.url) for output in outcome.outputs)
            usd = settle(outcome.bill, None, PROVIDERS[vendor].USD_PER_CREDIT).usd
            assert usd is None or (usd >= 0 and usd.is_finite())
            assert outcome.generated_seconds is None or outcome.generated_seconds < Decimal("1e19")
        case Working():
            for words in (outcome.said, *outcome.logs):
                check_words(words)
        case Ticket():
            assert is_ident(outcome.id)
        case Staged():
            assert outcome.address
        case Cancelled():
            check_words(outcome.said)
        case _:
            assert outcome is None


def check_error(error: OmniHumanError) -> None:
    check_words(error.message)
    if isinstance(error, Refused) and error.code is not None:
        check_words(error.code)


def check_words(words: str) -> None:
    """Fit for a database and a terminal."""
    assert words.isprintable()
    assert len(words) < 1000
