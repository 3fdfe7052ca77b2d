"""A request and an answer as plain values, and strict readers for what an answer says.

A room of `providers/` writes `HttpCall`s and reads `HttpReply`s; only `edges/http.py` turns one
into the other. Numbers with a fraction are read as `Decimal`, because some of them are money.
A reader returns what is there or raises `Unreadable`; it never makes up a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Literal, NoReturn, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

from omnihuman_blocks.errors import AccountBlocked, InDoubt, Refused, Transient, Unreadable

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
Record: TypeAlias = dict[str, Json]

T = TypeVar("T")

EXCERPT_CHARS = 200
_SIGNATURE = re.compile(
    r"((?:X-Amz-Signature|X-Amz-Security-Token|X-Goog-Signature|Signature|sig)=)[^&\s\\\"'<>]+",
    re.IGNORECASE,
)
# Beyond these a number in an answer is a mistake, not a figure: arithmetic on Decimal("1e999999")
# would take the memory of the machine with it.
LARGEST_NUMBER = Decimal(10) ** 18
LONGEST_WAIT_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class HttpCall:
    """One request. `url` is the vendor's public address; an override is applied at the edge."""

    method: Literal["GET", "POST", "PUT"]
    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Json = None
    content: bytes | None = field(default=None, repr=False)
    signed: bool = True
    """The account's key goes with it. Off for hosts that are not the vendor's own address."""
    spends: bool = False
    """A repeat of this request may buy again."""


@dataclass(frozen=True, kw_only=True)
class HttpReply:
    """One answer, read to its end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    received_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def excerpt(self) -> str:
        """Enough of the answer to recognise it in a message."""
        return excerpt(self.text)

    def json(self) -> Json:
        """The body, parsed; anything that is not JSON is `Unreadable`."""
        try:
            parsed: Json = json.loads(self.text, parse_float=_decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise Unreadable(
                f"The answer (HTTP {self.status}) is not JSON: {self.excerpt!r}"
            ) from error
        return parsed

    def record(self) -> Record:
        """The body, which must be a JSON object."""
        body = self.json()
        if not isinstance(body, dict):
            raise Unreadable(
                f"The answer (HTTP {self.status}) is not a JSON object: {self.excerpt!r}"
            )
        return body


Flow: TypeAlias = Generator[HttpCall, HttpReply, T]
"""Several calls, one answer: yields what to ask, is sent what was answered, returns the meaning."""


def excerpt(said: str) -> str:
    """A vendor's words, fit to be stored and shown: one line, printable, of bounded length.

    A vendor that cannot fetch a medium names its address, and a signature in it opens it.
    """
    start = _SIGNATURE.sub(r"\1***", said[: 8 * EXCERPT_CHARS])
    flat = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    return flat if len(flat) <= EXCERPT_CHARS else flat[:EXCERPT_CHARS] + "…"


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:  # an exponent that no Decimal can hold
        raise ValueError(text) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


# --- readers: the value under a name, or Unreadable -------------------------------------------


def text(record: Record, name: str) -> str:
    """A string that must be there and must not be empty."""
    value = record.get(name)
    if isinstance(value, str) and value:
        return value
    raise _unreadable(record, name, "a text")


def optional_text(record: Record, name: str) -> str | None:
    """A string, or nothing where it is missing, null or empty."""
    return None if record.get(name) in (None, "") else text(record, name)


def number(record: Record, name: str) -> Decimal:
    """A finite number of believable size; `true` is none."""
    value = record.get(name)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        exact = Decimal(value)
        if exact.is_finite() and -LARGEST_NUMBER <= exact <= LARGEST_NUMBER:
            return exact
    raise _unreadable(record, name, "a number")


def optional_number(record: Record, name: str) -> Decimal | None:
    """A number, or nothing where it is missing or null."""
    return None if record.get(name) is None else number(record, name)


def optional_whole(record: Record, name: str) -> int | None:
    """A whole number, or nothing where it is missing or null. A seed may have any size."""
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _unreadable(record, name, "a whole number")


def optional_flag(record: Record, name: str) -> bool | None:
    """True or false, or nothing where it is missing or null."""
    value = record.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise _unreadable(record, name, "true or false")


def nested(record: Record, name: str) -> Record:
    """An object that must be there."""
    value = record.get(name)
    if isinstance(value, dict):
        return value
    raise _unreadable(record, name, "an object")


def optional_nested(record: Record, name: str) -> Record:
    """An object; empty where it is missing or null."""
    return {} if record.get(name) is None else nested(record, name)


def records(record: Record, name: str) -> list[Record]:
    """A list of objects; empty where it is missing or null."""
    value = record.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        found = [item for item in value if isinstance(item, dict)]
        if len(found) == len(value):
            return found
    raise _unreadable(record, name, "a list of objects")


def ident(record: Record, name: str) -> str:
    """A vendor's id: opaque, but printable and able to stand in an address."""
    value = text(record, name)
    if is_ident(value):
        return value
    raise _unreadable(record, name, "an id")


def web_address(record: Record, name: str) -> str:
    """An http or https address that must be there."""
    value = text(record, name)
    if is_web_address(value):
        return value
    raise _unreadable(record, name, "an http or https address")


def ornament(read: Callable[[Record, str], T | None], record: Record, name: str) -> T | None:
    """What is nice to know: its value, or None where it cannot be read.

    For what must not stand between a buyer and a video that is paid for: a seed, a queue
    position, a cost that is then unknown. Never for a ticket, a status or an address.
    """
    try:
        return read(record, name)
    except Unreadable:
        return None


def _unreadable(record: Record, name: str, wanted: str) -> Unreadable:
    found = "is missing" if name not in record else f"is {_shown(record[name])}"
    return Unreadable(f"`{name}` {found} where {wanted} was expected")


def _shown(value: Json) -> str:
    shown = repr(value)
    return shown if len(shown) <= EXCERPT_CHARS else shown[:EXCERPT_CHARS] + "…"


# --- addresses and ids ------------------------------------------------------------------------


def is_web_address(value: str) -> bool:
    """Whether this is an http or https address with a host, without spaces or control signs."""
    if not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or a bracket that no address has
        return False


def is_ident(value: str) -> bool:
    """Whether this can be an id: `.` and `..` would mean another place in an address."""
    return bool(value.strip()) and value.isprintable() and value not in (".", "..")


def segment(name: str) -> str:
    """An id as one piece of an address's path; whatever it contains, it stays inside."""
    if is_ident(name):
        return quote(name, safe="")
    raise Unreadable(f"{_shown(name)} cannot be an id in an address")


# --- what a status code means, unless the vendor's own words say more -------------------------


def check_status(reply: HttpReply, said: str | None = None, code: str | None = None) -> None:
    """Judges the answer to a request that costs nothing: 2xx passes, all else is raised."""
    if 200 <= reply.status < 300:
        return
    what = _what(reply, said)
    if reply.status == 429:
        raise Transient(f"Too many requests ({what})", retry_after(reply))
    if reply.status in (408, 425) or reply.status >= 500:
        raise Transient(f"The vendor is not able to answer now ({what})", retry_after(reply))
    _raise_final(reply, what, code)


def check_poll(reply: HttpReply, said: str | None = None) -> None:
    """Judges the answer to a question about something bought: 2xx passes, all else is raised.

    A status is no verdict on the job. Even a 404 may only mean that the vendor does not show it
    yet, or not at the moment, so whatever is not about the account is asked again.
    """
    try:
        check_status(reply, said)
    except Refused as error:
        raise Transient(f"No answer about the job: {error}", retry_after(reply)) from None


def check_purchase(reply: HttpReply, said: str | None = None, code: str | None = None) -> None:
    """Judges the answer to a purchase: what may have been accepted behind it is in doubt.

    A 429 is given before acceptance. A gateway's 5xx or time-out says nothing about what the
    machine behind it did.
    """
    if 200 <= reply.status < 300:
        return
    what = _what(reply, said)
    if reply.status == 429:
        raise Transient(f"Too many requests; nothing was bought ({what})", retry_after(reply))
    if reply.status in (408, 425, 499) or reply.status >= 500:
        raise InDoubt(
            f"The purchase was sent, and the answer does not say what became of it ({what})"
        )
    _raise_final(reply, what, code)


def _raise_final(reply: HttpReply, what: str, code: str | None) -> NoReturn:
    if reply.status in (401, 402, 403):
        raise AccountBlocked(f"The vendor refuses this account ({what}). Check key and balance.")
    if 400 <= reply.status < 500:
        raise Refused(f"The vendor refused the request ({what})", code or f"http_{reply.status}")
    raise Unreadable(f"Not an answer that this vendor gives ({what})")


def _what(reply: HttpReply, said: str | None) -> str:
    return f"HTTP {reply.status}: {said or reply.excerpt or 'no body'}"


def retry_after(reply: HttpReply) -> float | None:
    """Seconds that the vendor asks us to wait, from either form of `Retry-After`.

    A date is compared with the vendor's own `Date`, so that a wrong clock here does no harm.
    """
    value = reply.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        until, now = _http_date(value), _http_date(reply.headers.get("date", ""))
        if until is None:
            return None
        seconds = (until - (now or reply.received_at)).total_seconds()
    if not seconds >= 0:  # negative, or not a number
        return 0.0
    return min(seconds, LONGEST_WAIT_SECONDS)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
