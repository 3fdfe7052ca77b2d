"""fal's signature under a callback: its public keys -> whether fal wrote this, and just now.

Signed with Ed25519 are the request's id, the user's id, the time and the digest of the body, one
line each. Every fal user's callbacks carry fal's signature, so it says who wrote one and not whom
it is for: that is what the token in our address is for.

https://docs.fal.ai/model-apis/model-endpoints/webhooks
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from omnihuman_blocks.domain.wire import Flow, HttpCall, Record, check_status, records
from omnihuman_blocks.errors import Unreadable
from omnihuman_blocks.providers.base import Seal, Signing

JWKS = "https://rest.fal.ai/.well-known/jwks.json"
SECONDS_OFF = 300
"""How far fal's clock and ours may be apart, as fal advises."""
KEY_BYTES = 32
PART = "x-fal-webhook-{}"


def publishing() -> Flow[tuple[bytes, ...]]:
    """The keys of fal's JWKS, which anybody may read: our own key stays here."""
    reply = yield HttpCall(method="GET", url=JWKS, signed=False)
    check_status(reply)
    found = [_public_key(entry) for entry in records(reply.record(), "keys")]
    keys = tuple(key for key in found if key is not None)
    if not keys:
        raise Unreadable("fal publishes no Ed25519 key for its callbacks at this moment")
    return keys


def judge(
    headers: Mapping[str, str], body: bytes, public_keys: Sequence[bytes], now: datetime
) -> Seal:
    """Any of the keys may have signed it. What is too old, or from tomorrow, is sent again."""
    written = headers.get(PART.format("timestamp"), "")
    try:
        signature = bytes.fromhex(headers.get(PART.format("signature"), ""))
        sent_at = int(written)
    except ValueError:
        return Seal.FORGED
    parts = [headers.get(PART.format(name), "") for name in ("request-id", "user-id")]
    lines = [*parts, written, hashlib.sha256(body).hexdigest()]
    message = "\n".join(lines).encode("utf-8", "surrogatepass")
    if not any(_has_signed(key, signature, message) for key in public_keys):
        return Seal.FORGED
    return Seal.GENUINE if abs(int(now.timestamp()) - sent_at) <= SECONDS_OFF else Seal.STALE


SIGNING = Signing(publishing=publishing, judge=judge)


def _has_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _public_key(entry: Record) -> bytes | None:
    """A key of the one kind that is used; a JWKS may hold others beside it."""
    written = entry.get("x")
    if entry.get("kty") != "OKP" or entry.get("crv") != "Ed25519" or not isinstance(written, str):
        return None
    try:
        key = urlsafe_b64decode(written + "=" * (-len(written) % 4))
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None
