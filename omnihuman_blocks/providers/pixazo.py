"""Submissions -> Pixazo's gateway; its universal status back.

One model, one address to buy at and one to ask. The status FAILED says nothing about the charge,
ERROR is a failure of the system and is not charged. Odd: dates come in two forms in one answer,
the second without a zone (taken as UTC), and a callback must be https.
There is no idempotency key, no id of ours and no search: a purchase whose answer is lost cannot
be found, except by a callback.

https://www.pixazo.ai/models/omnihuman
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator

from omnihuman_blocks.domain.job import (
    MediaKind,
    Output,
    Progress,
    Ready,
    Submission,
    Ticket,
    Working,
)
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options, WebAddress, content, handling
from omnihuman_blocks.domain.wire import (
    Flow,
    HttpCall,
    HttpReply,
    Record,
    check_poll,
    check_purchase,
    excerpt,
    ident,
    is_web_address,
    nested,
    optional_text,
    ornament,
    segment,
    text,
)
from omnihuman_blocks.errors import Unreadable
from omnihuman_blocks.providers.base import Callbacks, LostAnswer, Model, called_with, no_video

NAME = "pixazo"
TITLE = "Pixazo"
READ_ON = date(2026, 11, 20)
KEY_VARIABLE = "PIXAZO_API_KEY"
GATEWAY = "https://gateway.pixazo.ai"
ADDRESSES = {"OMNIHUMAN_PIXAZO_URL": GATEWAY}


def _https_or_loopback(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme == "https" or _is_loopback(parts.hostname or ""):
        return address
    raise ValueError("Pixazo calls back only at https addresses")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CallbackAddress: TypeAlias = Annotated[WebAddress, AfterValidator(_https_or_loopback)]


class PixazoOptions(Options):
    """What may be wished for with OmniHuman 1.5."""

    resolution: Literal["480p", "720p", "1080p"] = content(
        "1080p", "resolution", "Size of the video; larger ones take longer."
    )
    webhook_url: CallbackAddress | None = handling(
        None, "header:X-Webhook-URL", "Https address that is called when the video is finished."
    )
    webhook_mode: Literal["terminal", "sync"] = handling(
        "terminal", "", "Call once at the end (terminal) or on every step as well (sync)."
    )

    def headers(self) -> dict[str, str]:
        """The mode means something only beside an address."""
        headers = super().headers()
        if self.webhook_url is not None:
            headers["X-Webhook-Mode"] = self.webhook_mode
        return headers


def _limits(_: Options) -> Limits:
    """No length is published. The model elsewhere takes less than 30 s at this size."""
    return Limits(advised_audio_seconds=Decimal(30), audio_formats=frozenset({"mp3", "wav"}))


MODELS = {
    "1.5": Model(
        version="1.5",
        id="bytedance-omnihuman-v1-5-290",
        options=PixazoOptions,
        limits=_limits,
        price=None,
    )
}
USD_PER_CREDIT = None
CHARGED_FOR = (
    "Each finished video, at the price in your dashboard; no answer names it. A job that ends in "
    "ERROR is not charged; whether one that ends in FAILED is charged is not documented."
)
LOST_ANSWER = LostAnswer(
    remedy=(
        "Pixazo cannot be asked what became of it. Look in your Pixazo dashboard for a request of "
        "that minute: if there is one, name its request id as the ticket; if there is none, say "
        "that it was not bought. A webhook settles it by itself."
    )
)
STAGES: frozenset[MediaKind] = frozenset()


def auth_headers(api_key: str) -> Mapping[str, str]:
    return {"Ocp-Apim-Subscription-Key": api_key}


staging = None


def submission_call(submission: Submission) -> HttpCall:
    options = submission.options
    return HttpCall(
        method="POST",
        url=f"{GATEWAY}/{submission.job.model}/v1/bytedance-omnihuman-v1-5-request",
        headers={"Cache-Control": "no-cache", **options.headers()},
        json={
            "image_url": submission.image,
            "audio_url": submission.audio,
            **options.body(),
        },
        spends=True,
    )


def read_submission(reply: HttpReply, submission: Submission) -> Ticket:
    said, code = _said(reply)
    check_purchase(reply, said, code)
    request_id = ident(reply.record(), "request_id")
    return Ticket(provider=NAME, model=submission.job.model, id=request_id)


def checking(ticket: Ticket) -> Flow[Progress]:
    reply = yield HttpCall(method="GET", url=f"{GATEWAY}/v2/requests/status/{segment(ticket.id)}")
    check_poll(reply, _said(reply)[0])
    body = reply.record()
    status = text(body, "status").upper()
    if status == "COMPLETED":
        return _ready(body)
    why = excerpt(ornament(optional_text, body, "error") or "no reason given")
    if status == "FAILED":
        return no_video(f"Pixazo made no video: {why}", code=status)
    if status == "ERROR":
        # Broken on their side and free of charge: two more attempts cost nothing.
        said = f"Pixazo's system failed: {why}"
        return no_video(said, code=status, retryable=True, charged=False)
    return Working(said=excerpt(text(body, "status")))


recovering = None
cancelling = None


def _ticket_in(body: bytes) -> str:
    return ident(called_with(body), "request_id")


CALLBACKS = Callbacks(ticket_in=_ticket_in)
TOGETHER = None


def _ready(body: Record) -> Ready:
    addresses = nested(body, "output").get("media_url")
    if isinstance(addresses, str):
        addresses = [addresses]
    if not isinstance(addresses, list) or not addresses:
        raise Unreadable("`output.media_url` names no file of a job that is COMPLETED")
    return Ready(
        outputs=tuple(_output(address) for address in addresses),
        generated_seconds=_seconds_between(
            _moment(body, "created_at"), _moment(body, "completed_at")
        ),
    )


def _output(address: object) -> Output:
    if isinstance(address, str) and is_web_address(address):
        return Output(url=address)
    raise Unreadable("`output.media_url` contains something that is no http or https address")


def _moment(body: Record, name: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text(body, name))
    except (ValueError, Unreadable):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seconds_between(start: datetime | None, end: datetime | None) -> Decimal | None:
    """From order to delivery, so with the time in the queue: Pixazo tells no more."""
    if start is None or end is None or end < start:
        return None
    return Decimal(str((end - start).total_seconds()))


def _said(reply: HttpReply) -> tuple[str | None, str | None]:
    """Pixazo's explanation and its word for what is wrong."""
    try:
        body = reply.record()
    except Unreadable:
        return None, None
    word = ornament(optional_text, body, "error")
    message = ornament(optional_text, body, "message") or word
    return message and excerpt(message), word and excerpt(word)
