"""Job -> key. The same video asked for again has the same key; a changed key buys again.

SHA-256 over canonical bytes behind a version. What enters: vendor, model, the digests of the
original files (never of decoded samples: decoders change), the content options with their
defaults written out, and the variant. What does not: addresses, and how the job is handled.
Golden keys in the tests keep it so. Nothing else in the package computes a key.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from decimal import Decimal

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.wire import Json, Record

KEY_VERSION = "omnihuman-job/1"
CLIP_VERSION = "omnihuman-clip/1"
ROW_VERSION = "omnihuman-row/1"
ROW_ID_DIGITS = 24


def job_key(
    *,
    provider: str,
    model: str,
    image: str,
    audio: str | Record,
    mask: str | None = None,
    options: Options,
    variant: int = 1,
) -> JobKey:
    """The key. Media enter by the SHA-256 of their bytes; spoken audio by its recipe."""
    identity: Record = {
        "provider": provider,
        "model": model,
        "image": image,
        "audio": audio,
        "options": options.content(),
        "variant": variant,
    }
    if mask is not None:
        identity["mask"] = mask
    return JobKey(_digest(KEY_VERSION, identity))


def row_id(identity: tuple[str, str, str, int]) -> str:
    """A name for a row that is safe in every file system and address, whatever its ids contain."""
    return _digest(ROW_VERSION, list(identity))[:ROW_ID_DIGITS]


def place_id(table: str, number: int | None) -> str:
    """A name for a line that has no identity of its own, from where it stands."""
    return _digest(ROW_VERSION, [table, number])[:ROW_ID_DIGITS]


def clip_key(parts: Sequence[JobKey]) -> str:
    """The name of a row's video: its job's key, or where parts are joined, one made of theirs."""
    return parts[0] if len(parts) == 1 else _digest(CLIP_VERSION, list(parts))


def attempt_uuid(key: JobKey, attempt: int) -> str:
    """A valid UUID v4 that the same attempt at the same job has on every machine, for ever."""
    digest = hashlib.sha256(f"omnihuman-attempt/1\n{key}\n{attempt}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def canonical(value: Json) -> bytes:
    """The one way to write a JSON value down. Floats cannot enter: 1, 1.0 and True would differ."""
    return json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=_exact,
    ).encode("utf-8", errors="surrogatepass")


def _exact(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value.normalize())
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _digest(version: str, value: Json) -> str:
    return hashlib.sha256(version.encode() + b"\n" + canonical(value)).hexdigest()
