"""Submissions -> tasks in a JSON array at Runware's one address; `data` and `errors` back.

The buyer chooses the id: `taskUUID` is derived from key and attempt, a second task under the same
id is rejected (`conflictTaskUUID`) and neither run nor billed. So a purchase whose answer was lost
is sent again, and both answers mean that it was accepted.
Odd: an unknown id looks like a waiting one (`data: []`); failures stand in `errors` beside `data`
or inside it; the status of an answer tells less than the code of its errors.

https://runware.ai/docs/models/bytedance-omnihuman-1, .../platform/task-polling, .../platform/errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from omnihuman_blocks.domain.identity import attempt_uuid
from omnihuman_blocks.domain.job import MediaKind, Progress, Submission, Ticket
from omnihuman_blocks.domain.wire import (
    Flow,
    HttpCall,
    HttpReply,
    Record,
    check_purchase,
    ident,
    optional_nested,
    ornament,
    records,
    retry_after,
)
from omnihuman_blocks.errors import (
    AccountBlocked,
    InDoubt,
    OmniHumanError,
    Refused,
    Transient,
    Unreadable,
)
from omnihuman_blocks.providers import runware_media, runware_models
from omnihuman_blocks.providers.base import Callbacks, LostAnswer, Together, called_with
from omnihuman_blocks.providers.runware_codes import ACCOUNT, Meaning
from omnihuman_blocks.providers.runware_replies import (
    about,
    answer,
    code_of,
    envelope,
    is_verdict,
    means,
    progress,
    raise_question,
    words,
)

NAME = "runware"
TITLE = "Runware"
READ_ON = runware_models.READ_ON
KEY_VARIABLE = "RUNWARE_API_KEY"
ADDRESSES = {"OMNIHUMAN_RUNWARE_URL": "https://api.runware.ai"}
API = runware_models.API
MODELS = runware_models.MODELS
USD_PER_CREDIT = None
CHARGED_FOR = (
    "Each finished video, by its seconds; the cost comes with the video. "
    "Whether a failed job is charged is not documented."
)
RESEND_WITHIN = timedelta(minutes=10)
LOST_ANSWER = LostAnswer(
    remedy=(
        "Within 10 minutes the program sends the same task again under the same taskUUID, which "
        "Runware runs and bills only once; later it only asks for that taskUUID. If Runware does "
        "not know it, look for the taskUUID in your Runware dashboard."
    ),
    look_for=timedelta(hours=24),
)
STAGES = frozenset({MediaKind.IMAGE, MediaKind.AUDIO})


def auth_headers(api_key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {api_key}"}


staging = runware_media.staging


def submission_call(submission: Submission) -> HttpCall:
    return _purchase([submission])


def read_submission(reply: HttpReply, submission: Submission) -> Ticket:
    return _read_purchase(reply, submission, alone=True)


def checking(ticket: Ticket) -> Flow[Progress]:
    (news,) = yield from _checking([ticket])
    if isinstance(news, OmniHumanError):
        raise news
    return news


def recovering(submission: Submission, age: timedelta) -> Flow[Ticket | None]:
    """Asks for the job, then in the archive; resends only while the purchase is fresh.

    Whether a finished id can be used again is not documented, so a late repeat might buy.
    """
    ticket = _ticket(submission)
    reply = yield _asking("getResponse", [ticket.id])
    if _is_known(reply, ticket.id):
        return ticket
    reply = yield _asking("getTaskDetails", [ticket.id])
    if _was_accepted(reply, ticket.id):
        return ticket
    if abs(age) > RESEND_WITHIN:
        return None
    # Rejected as a duplicate if the first one arrived; so this never buys a second time.
    reply = yield replace(submission_call(submission), spends=False)
    return _read_resent(reply, submission)


cancelling = None


def _ticket_in(body: bytes) -> str:
    """The flat task, says the documentation. How a failure comes is not told: as in an answer?"""
    record = called_with(body)
    tasks = [record, *(ornament(records, record, "data") or ())]
    tasks += ornament(records, record, "errors") or []
    return ident(next((task for task in tasks if "taskUUID" in task), record), "taskUUID")


CALLBACKS = Callbacks(ticket_in=_ticket_in, own_ticket=attempt_uuid)

# --- buying -----------------------------------------------------------------------------------


def _purchase(submissions: Sequence[Submission]) -> HttpCall:
    tasks = [_task(submission) for submission in submissions]
    return HttpCall(method="POST", url=API, json=[*tasks], spends=True)


def _task(submission: Submission) -> Record:
    job = submission.job
    body = submission.options.body()
    if isinstance(endpoint := body.get("uploadEndpoint"), str):
        body["uploadEndpoint"] = endpoint.replace(runware_models.JOB_KEY, job.key)
    inputs: Record = {"audio": submission.audio}
    if job.model == runware_models.OMNIHUMAN_1:
        inputs["referenceImages"] = [submission.image]
    else:
        inputs["image"] = submission.image
    return {
        "taskType": "videoInference",
        "taskUUID": _ticket(submission).id,
        "model": job.model,
        "outputType": "URL",
        "deliveryMethod": "async",
        **body,
        "inputs": inputs,
    }


def _ticket(submission: Submission) -> Ticket:
    job = submission.job
    asked = job.options.content().get("number_results")
    return Ticket(
        provider=NAME,
        model=job.model,
        id=attempt_uuid(job.key, submission.attempt),
        results=asked if isinstance(asked, int) else 1,
    )


def _read_purchase(reply: HttpReply, submission: Submission, *, alone: bool) -> Ticket:
    try:
        data, errors = envelope(reply)
    except Unreadable:
        check_purchase(reply)
        raise
    ticket = _ticket(submission)
    mine = about(ticket.id, errors)
    if alone:
        mine += about(None, errors)
    if about(ticket.id, data) or any(means(error) is Meaning.ACCEPTED for error in mine):
        return ticket
    for error in mine:
        _turn_down(error, reply)
    for error in about(None, errors):
        if means(error) in ACCOUNT | {Meaning.BUSY}:
            _turn_down(error, reply)
    if alone:  # among several the status speaks of another one
        check_purchase(reply)
    raise Unreadable(f"Task {ticket.id} is neither accepted nor refused: {reply.excerpt!r}")


def _turn_down(error: Record, reply: HttpReply) -> NoReturn:
    """The code decides, whatever the status. A code that nobody knows leaves it to the status."""
    said, code, meaning = words(error), code_of(error), means(error)
    if meaning in ACCOUNT:
        raise AccountBlocked(f"Runware refuses this account: {said}. Check key and balance.")
    if meaning is Meaning.BUSY:
        raise Transient(f"Runware is busy and bought nothing: {said}", retry_after(reply))
    if meaning in (Meaning.REFUSED, Meaning.UNSEEN):
        raise Refused(f"Runware refused the job: {said}", code)
    if meaning is Meaning.UNKNOWN:
        check_purchase(reply, said, code)
    raise InDoubt(f"Runware stumbled over the purchase, and may have accepted it: {said}")


def _read_resent(reply: HttpReply, submission: Submission) -> Ticket:
    """A refusal of the repeat is none of the first one, which may have been accepted before."""
    try:
        return read_submission(reply, submission)
    except Refused as error:
        raise InDoubt(
            f"The repeat was refused, which says nothing about the purchase: {error}"
        ) from error


def _is_known(reply: HttpReply, task_uuid: str) -> bool:
    data, errors = answer(reply)
    if about(task_uuid, data):
        return True
    for error in about(task_uuid, errors) + about(None, errors):
        if is_verdict(error, reply):
            return True
        if means(error) is not Meaning.UNSEEN:
            raise_question(error, reply)
    return False


def _was_accepted(reply: HttpReply, task_uuid: str) -> bool:
    """The archive keeps the last answer: of a video, or of the repeat that was a duplicate.

    Any other error in it may be a refusal or a failure, so it says nothing. Nor does an archive
    that does not know the task, however it puts that.
    """
    data, errors = answer(reply)
    for error in about(task_uuid, errors) + about(None, errors):
        if means(error) in ACCOUNT | {Meaning.BUSY, Meaning.SHAKY}:
            raise_question(error, reply)
    answers = [optional_nested(item, "response") for item in about(task_uuid, data)]
    return any(
        records(answer, "data")
        or any(means(error) is Meaning.ACCEPTED for error in records(answer, "errors"))
        for answer in answers
    )


def _read_purchases(
    reply: HttpReply, submissions: Sequence[Submission]
) -> list[Ticket | OmniHumanError]:
    return [_read_one(reply, submission, alone=len(submissions) == 1) for submission in submissions]


def _read_one(reply: HttpReply, submission: Submission, *, alone: bool) -> Ticket | OmniHumanError:
    try:
        return _read_purchase(reply, submission, alone=alone)
    except Unreadable as error:
        return InDoubt(error.message)
    except OmniHumanError as error:
        return error


# --- waiting ----------------------------------------------------------------------------------


def _asking(task_type: str, task_uuids: Sequence[str]) -> HttpCall:
    tasks: list[Record] = [{"taskType": task_type, "taskUUID": each} for each in task_uuids]
    return HttpCall(method="POST", url=API, json=[*tasks])


def _checking(tickets: Sequence[Ticket]) -> Flow[list[Progress | OmniHumanError]]:
    reply = yield _asking("getResponse", [ticket.id for ticket in tickets])
    data, errors = answer(reply)
    return [_progress_or_error(ticket, data, errors, reply) for ticket in tickets]


def _progress_or_error(
    ticket: Ticket, data: list[Record], errors: list[Record], reply: HttpReply
) -> Progress | OmniHumanError:
    try:
        return progress(ticket, data, errors, reply)
    except OmniHumanError as error:
        return error


TOGETHER = Together(
    # No limit is published. Few requests for thousands of jobs, a body that stays small, and
    # not more than fifty purchases to look for when one answer is lost.
    most=50,
    submission_call=_purchase,
    read_submissions=_read_purchases,
    checking=_checking,
)
