"""Tickets, outputs and errors as JSON, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from omnihuman_blocks.domain.job import Bill, Job, Output, Ticket
from omnihuman_blocks.domain.wire import Json, Record
from omnihuman_blocks.errors import OmniHumanError


def media_of(job: Job) -> Record:
    """The digests by kind."""
    media = {"image": job.image, "audio": job.audio, "mask": job.mask}
    return {kind: found.sha256 for kind, found in media.items() if found is not None}


def ticket_record(ticket: Ticket) -> Record:
    return {
        "provider": ticket.provider,
        "model": ticket.model,
        "id": ticket.id,
        "quoted": None if ticket.quoted is None else bill_record(ticket.quoted),
    }


def ticket_of(record: Any) -> Ticket | None:
    if record is None:
        return None
    quoted = None if record["quoted"] is None else bill_of(record["quoted"])
    return Ticket(
        provider=record["provider"], model=record["model"], id=record["id"], quoted=quoted
    )


def bill_record(bill: Bill) -> Record:
    return {"usd": bill.usd, "credits": bill.credits, "seconds": bill.seconds}


def bill_of(record: Any) -> Bill:
    return Bill(
        usd=_number(record["usd"]),
        credits=_number(record["credits"]),
        seconds=_number(record["seconds"]),
    )


def outputs_json(outputs: tuple[Output, ...]) -> Json:
    return [
        {
            "url": output.url,
            "id": output.id,
            "seed": output.seed,
            "unsafe": output.unsafe,
            "bill": bill_record(output.bill),
        }
        for output in outputs
    ]


def outputs_of(found: Any) -> tuple[Output, ...]:
    return tuple(
        Output(
            url=record["url"],
            id=record["id"],
            seed=record["seed"],
            unsafe=record["unsafe"],
            bill=bill_of(record["bill"]),
        )
        for record in found or ()
    )


def error_columns(error: OmniHumanError) -> dict[str, Any]:
    """An error as an attempt remembers it. Some errors carry the vendor's own code."""
    return {
        "error_class": type(error).__name__,
        "error_message": error.message,
        "vendor_code": getattr(error, "code", None),
    }


def error_record(error: OmniHumanError) -> Record:
    return {"error": type(error).__name__, "message": error.message}


NO_ERROR = {"error_class": None, "error_message": None, "vendor_code": None}


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
