"""Runware's answers -> what they say about a job: working, ready, failed, or only not now.

One envelope carries all of them: `data` and `errors` side by side, each entry under its
`taskUUID`, each poll repeating what was finished before.
"""

from __future__ import annotations

from typing import NoReturn

from omnihuman_blocks.domain.job import Bill, Failed, Output, Progress, Ready, Ticket, Working
from omnihuman_blocks.domain.wire import (
    HttpReply,
    Record,
    check_poll,
    excerpt,
    ident,
    nested,
    number,
    optional_flag,
    optional_text,
    optional_whole,
    ornament,
    records,
    retry_after,
    web_address,
)
from omnihuman_blocks.errors import AccountBlocked, Transient, Unreadable
from omnihuman_blocks.providers.base import no_video
from omnihuman_blocks.providers.runware_codes import ACCOUNT, Meaning, meaning


def answer(reply: HttpReply) -> tuple[list[Record], list[Record]]:
    """`data` and `errors` of an answer to a question that costs nothing."""
    try:
        return envelope(reply)
    except Unreadable:
        check_poll(reply)
        raise


def envelope(reply: HttpReply) -> tuple[list[Record], list[Record]]:
    """`data` and `errors`, whatever the status; early failures come as one `error` instead."""
    body = reply.record()
    errors = records(body, "errors")
    if "error" in body:
        single = ornament(nested, body, "error") or {"message": body.get("errorMessage")}
        errors = [*errors, {"taskUUID": body.get("taskUUID"), **single}]
    if not errors and "data" not in body:
        raise Unreadable(f"Neither `data` nor `errors`: {reply.excerpt!r}")
    return records(body, "data"), errors


def about(task_uuid: str | None, entries: list[Record]) -> list[Record]:
    return [entry for entry in entries if entry.get("taskUUID") == task_uuid]


def code_of(error: Record) -> str | None:
    code = ornament(optional_text, error, "code")
    return None if code is None else excerpt(code)


def means(error: Record) -> Meaning:
    return meaning(code_of(error))


def words(error: Record) -> str:
    message = ornament(optional_text, error, "message") or "no message"
    return excerpt(f"{message} ({code_of(error) or 'no code'})")


# --- what an answer says about a job ----------------------------------------------------------


def progress(
    ticket: Ticket, data: list[Record], errors: list[Record], reply: HttpReply
) -> Progress:
    """Finished once nothing is being made and every video asked for, or a failure, is there."""
    items = about(ticket.id, data)
    told = about(ticket.id, errors) + [_fault(item) for item in items if _state(item) == "error"]
    failures = tuple(_failure(error) for error in told if is_verdict(error, reply))
    outputs = _outputs([item for item in items if _state(item) == "success"])
    running = [item for item in items if _state(item) not in ("success", "error")]
    if not running and outputs and (failures or len(outputs) >= ticket.results):
        return Ready(outputs=outputs, failures=failures)
    if not running and failures:
        return failures[0]
    if items:
        return _working(running, ticket, len(outputs))
    for error in told + about(None, errors):
        raise_question(error, reply)
    check_poll(reply)
    return Working(said="waiting, or not known")


def _working(running: list[Record], ticket: Ticket, ready: int) -> Working:
    first = running[0] if running else {}
    return Working(
        said=excerpt(_state(first)) or f"{ready} of {ticket.results} ready",
        percent=ornament(optional_whole, first, "progress"),
    )


def _state(item: Record) -> str:
    """Older answers have no status: an address is then the sign of the end."""
    status = item.get("status")
    if status is None and item.get("videoURL"):
        return "success"
    return status.casefold() if isinstance(status, str) else ""


def _outputs(finished: list[Record]) -> tuple[Output, ...]:
    """Every poll repeats what is finished: told apart by `videoUUID`."""
    found = [_output(item) for item in finished]
    return tuple({output.id or output.url: output for output in found}.values())


def _output(item: Record) -> Output:
    return Output(
        url=web_address(item, "videoURL"),
        id=ornament(ident, item, "videoUUID"),
        seed=ornament(optional_whole, item, "seed"),
        unsafe=ornament(optional_flag, item, "NSFWContent"),
        bill=Bill(usd=ornament(number, item, "cost")),
    )


def _fault(item: Record) -> Record:
    """The newer form: the error inside the item."""
    return {**item, **(ornament(nested, item, "error") or {}), "status": "error"}


def _failure(error: Record) -> Failed:
    return no_video(
        f"Runware made no video: {words(error)}",
        code=code_of(error),
        retryable=means(error) in (Meaning.SHAKY, Meaning.BUSY),
    )


def is_verdict(error: Record, reply: HttpReply) -> bool:
    """Whether an error is the end of the job it names, or only of the question about it.

    The end is marked `"status": "error"`. Without the mark only an answer that is itself in order
    may speak of it; a 5xx about a question must never lose a video that is paid for.
    """
    what = means(error)
    if error.get("taskUUID") is None or what in (Meaning.ACCEPTED, Meaning.KEY, Meaning.UNSEEN):
        return False
    if error.get("status") == "error":
        return True
    return 200 <= reply.status < 300 and what not in (Meaning.CREDIT, Meaning.BUSY)


def raise_question(error: Record, reply: HttpReply) -> NoReturn:
    if means(error) in ACCOUNT:
        raise AccountBlocked(f"Runware refuses this account: {words(error)}")
    raise Transient(f"Runware does not answer about the job: {words(error)}", retry_after(reply))
