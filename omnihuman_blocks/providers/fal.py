"""Submissions -> fal's queue; its status, then its result, back.

Two questions tell how a job stands: the queue knows no failure, so a failed job is COMPLETED like
any other, and the status of the answer on its result address is the verdict. Input is judged by
the model and not by the queue: even a body without an image is accepted first.
Odd: the poll addresses keep only the first two pieces of the model's name.
There is no idempotency key and no search: a purchase whose answer is lost cannot be found.

https://fal.ai/models/fal-ai/bytedance/omnihuman/v1.5, docs.fal.ai: queue, errors, request errors
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from omnihuman_blocks.domain.job import (
    Bill,
    Cancelled,
    MediaKind,
    Output,
    Progress,
    Ready,
    Staged,
    Submission,
    Ticket,
    Upload,
    Working,
)
from omnihuman_blocks.domain.wire import (
    Flow,
    HttpCall,
    HttpReply,
    Json,
    Record,
    check_poll,
    check_purchase,
    check_status,
    excerpt,
    ident,
    nested,
    number,
    optional_text,
    optional_whole,
    ornament,
    records,
    segment,
    text,
    web_address,
)
from omnihuman_blocks.errors import AccountBlocked, Refused, Transient, Unreadable
from omnihuman_blocks.providers import fal_models, fal_signing
from omnihuman_blocks.providers.base import Callbacks, LostAnswer, called_with, no_video

NAME = "fal"
TITLE = "fal"
READ_ON = fal_models.READ_ON
KEY_VARIABLE = "FAL_KEY"
QUEUE = "https://queue.fal.run"
REST = "https://rest.fal.ai"
ADDRESSES = {"OMNIHUMAN_FAL_URL": QUEUE, "OMNIHUMAN_FAL_REST_URL": REST}
REQUESTS = f"{QUEUE}/fal-ai/bytedance/requests"
MODELS = fal_models.MODELS
USD_PER_CREDIT = None
CHARGED_FOR = (
    "Each second of a finished video. Failures with a 5xx status and input that fal rejects as "
    "invalid are not charged."
)
LOST_ANSWER = LostAnswer(
    remedy=(
        "fal cannot be asked what became of it. Look in your fal dashboard for a request of that "
        "minute: if there is one, name its request id as the ticket; if there is none, say that "
        "it was not bought. A webhook settles it by itself."
    )
)
STAGES = frozenset({MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.MASK})
# fal states no time for uploads. Bringing a file there again costs nothing.
MEDIA_KEPT_FOR = timedelta(days=1)


def auth_headers(api_key: str) -> Mapping[str, str]:
    return {"Authorization": f"Key {api_key}"}


def staging(upload: Upload) -> Flow[Staged]:
    """The CDN; where that fails, the older storage; where that is refused, the bytes themselves."""
    try:
        address = yield from _uploading_to_cdn(upload)
    except (Refused, Transient, Unreadable):
        try:
            address = yield from _uploading_to_storage(upload)
        except (Refused, Unreadable):
            return Staged(address=upload.data_uri)
    return Staged(address=address, kept_for=MEDIA_KEPT_FOR)


def submission_call(submission: Submission) -> HttpCall:
    options = submission.options
    body: Record = {
        "image_url": submission.image,
        "audio_url": submission.audio,
        **options.body(),
    }
    if submission.mask is not None:
        body["mask_url"] = submission.mask
    return HttpCall(
        method="POST",
        url=f"{QUEUE}/{submission.job.model}",
        params=options.params(),
        headers=options.headers(),
        json=body,
        spends=True,
    )


def read_submission(reply: HttpReply, submission: Submission) -> Ticket:
    check_purchase(reply, _said(_body(reply)), _kind(reply, _body(reply)))
    request_id = ident(reply.record(), "request_id")
    return Ticket(provider=NAME, model=submission.job.model, id=request_id)


def checking(ticket: Ticket) -> Flow[Progress]:
    address = f"{REQUESTS}/{segment(ticket.id)}"
    queued = yield HttpCall(method="GET", url=f"{address}/status", params={"logs": "1"})
    check_poll(queued, _said(_body(queued)))
    status = queued.record()
    if text(status, "status") != "COMPLETED":
        return _working(status)
    result = yield HttpCall(method="GET", url=address)
    return _verdict(result, status)


recovering = None


def cancelling(ticket: Ticket) -> Flow[Cancelled]:
    reply = yield HttpCall(method="PUT", url=f"{REQUESTS}/{segment(ticket.id)}/cancel")
    body = _body(reply)
    said = ornament(optional_text, body, "status") or f"HTTP {reply.status}"
    if reply.status in (400, 404):  # finished already, or not known
        return Cancelled(accepted=False, said=excerpt(said))
    check_status(reply, _said(body))
    return Cancelled(accepted=body.get("success") is not False, said=excerpt(said))


def _ticket_in(body: bytes) -> str:
    """The queue's id, which is the ticket; the gateway's is only that of the last try."""
    return ident(called_with(body), "request_id")


CALLBACKS = Callbacks(ticket_in=_ticket_in, signing=fal_signing.SIGNING)


TOGETHER = None

# --- waiting ----------------------------------------------------------------------------------


def _working(status: Record) -> Working:
    logs = ornament(records, status, "logs") or []
    lines = [ornament(optional_text, line, "message") for line in logs]
    return Working(
        said=excerpt(text(status, "status")),
        queue_position=ornament(optional_whole, status, "queue_position"),
        logs=tuple(excerpt(line) for line in lines if line),
    )


def _verdict(result: HttpReply, status: Record) -> Progress:
    """On this address even a 500 may be the last word on the job, if it is fal who speaks it."""
    if 200 <= result.status < 300:
        return _ready(result, status)
    body = _body(result)
    said = _said(body)
    if result.status == 400 and said is not None and said.startswith(STILL_RUNNING):
        return Working(said=excerpt(said))
    kind = _kind(result, body) or ""
    if not kind and "detail" in body:
        kind = excerpt(ornament(optional_text, status, "error_type") or "")
    if not kind and said is not None and result.status in (400, 422):
        kind = f"http_{result.status}"
    if not kind or result.status < 400 or result.status in NEVER_A_VERDICT:
        check_poll(result, said)
    return no_video(
        f"fal made no video (HTTP {result.status}): {said or kind}",
        code=kind,
        retryable=_is_retryable(result, kind),
        charged=_is_charged(result, kind, status),
    )


def _ready(result: HttpReply, status: Record) -> Ready:
    body = result.record()
    seconds = ornament(number, body, "duration")
    if seconds is None:  # sold by the second, so a unit of the bill is one
        seconds = _billable_units(result)
    output = Output(url=web_address(nested(body, "video"), "url"), bill=Bill(seconds=seconds))
    metrics = ornament(nested, status, "metrics") or {}
    return Ready(outputs=(output,), generated_seconds=ornament(number, metrics, "inference_time"))


# --- errors, of two families ------------------------------------------------------------------

STILL_RUNNING = "Request is still in progress"
NEVER_A_VERDICT = frozenset({401, 402, 403, 408, 425, 429})
"""About the account or the question, whoever says it."""
CANCELLED = "client_cancelled"
START_TIMEOUTS = frozenset({"request_timeout", "startup_timeout"})


def _body(reply: HttpReply) -> Record:
    """The body where it is an object; a proxy's page is none."""
    try:
        return reply.record()
    except Unreadable:
        return {}


def _details(body: Record) -> list[Record]:
    """Errors of the model: one entry for each thing that is wrong."""
    return (ornament(records, body, "detail") if isinstance(body.get("detail"), list) else []) or []


def _kind(reply: HttpReply, body: Record) -> str | None:
    """The vendor's own word for an error; None where it is somebody in between who speaks."""
    if "detail" not in body:
        return None
    kinds = [ornament(optional_text, detail, "type") for detail in _details(body)]
    kinds += [ornament(optional_text, body, "error_type"), reply.headers.get("x-fal-error-type")]
    return next((excerpt(kind) for kind in kinds if kind), None)


def _said(body: Record) -> str | None:
    detail = body.get("detail")
    if isinstance(detail, str) and detail:
        return excerpt(detail)
    messages = [ornament(optional_text, each, "msg") for each in _details(body)]
    return excerpt("; ".join(message for message in messages if message)) or None


def _is_retryable(reply: HttpReply, kind: str) -> bool:
    told = reply.headers.get("x-fal-retryable", "").strip().casefold()
    if told in ("true", "false"):
        return told == "true"
    return kind.startswith("runner_") or kind in START_TIMEOUTS


def _is_charged(reply: HttpReply, kind: str, status: Record) -> bool | None:
    """5xx is not billed, says fal, nor is what its bill counts as nothing.

    A cancelled job that was still in the queue is removed and never processed; one that a machine
    had begun may go on for all we know.
    """
    if reply.status >= 500 or _billable_units(reply) == 0:
        return False
    metrics = ornament(nested, status, "metrics") or {}
    if kind == CANCELLED and not ornament(number, metrics, "inference_time"):
        return False
    return None


def _billable_units(reply: HttpReply) -> Decimal | None:
    units: Json = reply.headers.get("x-fal-billable-units")
    try:
        return number({"units": Decimal(str(units))}, "units")
    except (ArithmeticError, Unreadable):
        return None


# --- uploading --------------------------------------------------------------------------------


def _uploading_to_cdn(upload: Upload) -> Flow[str]:
    reply = yield HttpCall(
        method="POST",
        url=f"{REST}/storage/auth/token",
        params={"storage_type": "fal-cdn-v3"},
        json={},
    )
    check_status(reply, _said(_body(reply)))
    granted = reply.record()
    # The CDN is not one of the vendor's own addresses: it gets the token and never the key.
    stored = yield HttpCall(
        method="POST",
        url=f"{web_address(granted, 'base_url').rstrip('/')}/files/upload",
        headers={
            "Authorization": f"{ident(granted, 'token_type')} {ident(granted, 'token')}",
            "Content-Type": upload.media_type,
            "X-Fal-File-Name": _file_name(upload),
        },
        content=upload.content,
        signed=False,
    )
    _check_store(stored)
    return web_address(stored.record(), "access_url")


def _uploading_to_storage(upload: Upload) -> Flow[str]:
    reply = yield HttpCall(
        method="POST",
        url=f"{REST}/storage/upload/initiate",
        params={"storage_type": "gcs"},
        json={"file_name": _file_name(upload), "content_type": upload.media_type},
    )
    check_status(reply, _said(_body(reply)))
    places = reply.record()
    target, address = web_address(places, "upload_url"), web_address(places, "file_url")
    stored = yield HttpCall(
        method="PUT",
        url=target,
        headers={"Content-Type": upload.media_type},
        content=upload.content,
        signed=False,
    )
    _check_store(stored)
    return address


def _check_store(reply: HttpReply) -> None:
    """A store that says no to its own token or address says nothing about the account."""
    try:
        check_status(reply, _said(_body(reply)))
    except AccountBlocked as error:
        raise Refused(error.message, f"http_{reply.status}") from error


def _file_name(upload: Upload) -> str:
    """A name that can travel in a header."""
    return "".join(c if c.isascii() and c.isprintable() else "_" for c in upload.name)
