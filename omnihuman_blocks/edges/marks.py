"""Headers of a file on the web -> a mark that changes with its content, and back into a question.

A strong ETag says it outright. A date of change is as good once it is a minute old: before that
the file could change twice within its second (RFC 9110, 8.8.2.2). A weak ETag promises less than
the same bytes, so it counts for nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

SETTLED = timedelta(seconds=60)
ETAG, TIME = "etag", "time"


def mark_of(headers: Mapping[str, str]) -> str | None:
    """None where the server tells nothing to rely on. Names of headers are in lower case."""
    etag = headers.get("etag", "")
    if etag.startswith('"') and len(etag) > 2:
        return f"{ETAG} {etag}"
    changed = headers.get("last-modified", "")
    since, now = _moment(changed), _moment(headers.get("date", ""))
    size = headers.get("content-length", "")
    if since is not None and now is not None and size and now - since >= SETTLED:
        return f"{TIME} {changed} {size}"
    return None


def condition(mark: str | None) -> dict[str, str]:
    """Headers that ask for the file only if it has changed since."""
    kind, _, rest = (mark or "").partition(" ")
    if kind == ETAG:
        return {"if-none-match": rest}
    if kind == TIME:
        return {"if-modified-since": rest.rpartition(" ")[0]}
    return {}


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
