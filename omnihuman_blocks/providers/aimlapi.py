"""Submissions -> AIMLAPI's video generations; the generation's status back.

The price comes first: the answer to a purchase names the credits, which may be missing at the end.
A purchase whose answer was lost is found again in the account's log, by the id of ours that
travelled in `X-Client-Request-Id`. That id only correlates: sent again it would buy again.
Odd: an empty balance is a 403; every member of an answer may be null; ids may contain `:` and `/`.

https://docs.aimlapi.com: ByteDance omnihuman, omnihuman v1.5, usage logs, request tracing
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from omnihuman_blocks.domain.job import (
    Bill,
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
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.wire import (
    Flow,
    HttpCall,
    HttpReply,
    Record,
    check_poll,
    check_purchase,
    excerpt,
    ident,
    nested,
    optional_flag,
    optional_nested,
    optional_number,
    optional_text,
    ornament,
    records,
    text,
    web_address,
)
from omnihuman_blocks.errors import InvalidRow, Unreadable
from omnihuman_blocks.providers.base import LostAnswer, Model, no_video

NAME = "aimlapi"
TITLE = "AI/ML API"
READ_ON = date(2026, 11, 20)
KEY_VARIABLE = "AIMLAPI_API_KEY"
API = "https://api.aimlapi.com"
ADDRESSES = {"OMNIHUMAN_AIMLAPI_URL": API}
GENERATIONS = f"{API}/v2/video/generations"
LOG = f"{API}/v2/logs"


class AimlapiOptions(Options):
    """Nothing may be wished for: the model takes an image and audio."""


def _limits(_: Options) -> Limits:
    return Limits(audio_seconds=Decimal(30))


def _model(version: str, name: str) -> Model:
    return Model(version=version, id=name, options=AimlapiOptions, limits=_limits, price=None)


MODELS = {
    "1.5": _model("1.5", "bytedance/omnihuman/v1.5"),
    "1": _model("1", "bytedance/omnihuman"),
}
USD_PER_CREDIT = 1 / Decimal(2_000_000)
CHARGED_FOR = (
    "Each finished video, in credits that are named when it is ordered. Failed jobs cost nothing."
)
LOST_ANSWER = LostAnswer(
    remedy=(
        "The program looks for it in your AIMLAPI log for a day, because a job may only be listed "
        "once it has ended. After that, look under usage logs for the client request id "
        "omnihuman:KEY:ATTEMPT and name its inference id as the ticket, or say that it was not "
        "bought."
    ),
    look_for=timedelta(hours=24),
)
STAGES = frozenset({MediaKind.IMAGE})
LOG_PAGE = 100
LOG_PAGES = 500
"""Where the search ends: 50,000 requests of one account since the purchase."""
LOG_DAYS = 92


def auth_headers(api_key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {api_key}"}


def staging(upload: Upload) -> Flow[Staged]:
    """An image travels in the purchase itself; audio must have an address."""
    yield from ()
    if upload.kind not in STAGES:
        raise InvalidRow("AIMLAPI takes audio only from a public address", "audio_uri")
    return Staged(address=upload.data_uri)


def submission_call(submission: Submission) -> HttpCall:
    job = submission.job
    return HttpCall(
        method="POST",
        url=GENERATIONS,
        headers={"X-Client-Request-Id": _client_request_id(submission), **job.options.headers()},
        json={
            "model": job.model,
            "image_url": submission.image,
            "audio_url": submission.audio,
            **job.options.body(),
        },
        spends=True,
    )


def read_submission(reply: HttpReply, submission: Submission) -> Ticket:
    check_purchase(reply, _said(reply))
    body = reply.record()
    return Ticket(
        provider=NAME,
        model=submission.job.model,
        id=ident(body, "id"),
        quoted=_bill(body),
    )


def checking(ticket: Ticket) -> Flow[Progress]:
    reply = yield HttpCall(method="GET", url=GENERATIONS, params={"generation_id": ticket.id})
    check_poll(reply, _said(reply))
    body = reply.record()
    status = text(body, "status").casefold()
    if status == "completed":
        url = web_address(nested(body, "video"), "url")
        # The last word on the price, which may be the first one.
        bill = _bill(body) or ticket.quoted or Bill()
        return Ready(outputs=(Output(url=url, bill=bill),))
    if status == "error":
        said, code = _fault(body)
        return no_video(f"AIMLAPI made no video: {said}", code=code, charged=False)
    return Working(said=excerpt(text(body, "status")))


def recovering(submission: Submission, age: timedelta) -> Flow[Ticket | None]:
    """Pages through the log, newest first, for our id; there is no filter for it.

    Not narrowed to the model: how the log writes a model's name is not certain enough.
    """
    wanted = _client_request_id(submission)
    for page in range(LOG_PAGES):
        reply = yield HttpCall(
            method="GET",
            url=LOG,
            params={"period": _period(age), "limit": f"{LOG_PAGE}", "offset": f"{page * LOG_PAGE}"},
        )
        check_poll(reply, _said(reply))
        body = reply.record()
        rows = records(body, "data")
        for row in rows:
            if row.get("client_request_id") == wanted:
                return _found(row, submission)
        if not rows or not ornament(optional_flag, nested(body, "pagination"), "has_more"):
            return None
    raise Unreadable(f"AIMLAPI's log has more than {LOG_PAGES * LOG_PAGE:,} rows in {_period(age)}")


cancelling = None
CALLBACKS = None
TOGETHER = None


def _client_request_id(submission: Submission) -> str:
    """At most 128 letters, digits and `.` `_` `:` `-`; anything else is silently dropped."""
    return f"omnihuman:{submission.job.key}:{submission.attempt}"


def _found(row: Record, submission: Submission) -> Ticket:
    cost = ornament(nested, row, "cost") or {}
    credits_spent = ornament(optional_number, cost, "credits")
    return Ticket(
        provider=NAME,
        model=submission.job.model,
        id=ident(row, "inference_id"),
        quoted=Bill(credits=credits_spent) if credits_spent else None,
    )


def _period(age: timedelta) -> str:
    """From an hour before the purchase until now: clocks differ."""
    hours = math.ceil(abs(age) / timedelta(hours=1)) + 1
    return f"{min(hours, LOG_DAYS * 24)}h"


def _bill(body: Record) -> Bill | None:
    """Credits, under their name of today or the one before."""
    usage = ornament(optional_nested, ornament(optional_nested, body, "meta") or {}, "usage") or {}
    for name in ("credits_used", "tokens_used"):
        amount = ornament(optional_number, usage, name)
        if amount is not None:
            return Bill(credits=amount)
    return None


def _fault(body: Record) -> tuple[str, str | None]:
    error = ornament(nested, body, "error")
    if error is None:
        return excerpt(ornament(optional_text, body, "error") or "no reason given"), None
    name = ornament(optional_text, error, "name")
    message = ornament(optional_text, error, "message") or name or "no reason given"
    return excerpt(message), name and excerpt(name)


def _said(reply: HttpReply) -> str | None:
    try:
        message = ornament(optional_text, reply.record(), "message")
    except Unreadable:
        return None
    return message and excerpt(message)
