"""A user's own bucket, from which vendors fetch media that they take no upload of.

An object is named by what is in it, so it is brought there once, whoever needs it and however
often. A vendor is given its public address where the bucket has one, else an address that is
signed for a while. Credentials are the bucket's own business: fsspec finds them in the
environment, and no address with one in it is accepted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from omnihuman_blocks.domain.addresses import is_public, is_web, without_credentials
from omnihuman_blocks.domain.job import Staged
from omnihuman_blocks.edges.places import NO_KEYS
from omnihuman_blocks.errors import CannotStart, Refused, Transient

T = TypeVar("T")

SIGNED_FOR = timedelta(hours=24)
"""How long a signed address opens. Whoever reads a vendor's logs could use it for as long."""
SIGNED_FOR_AT_LEAST = timedelta(hours=12)
"""One that ends sooner is signed anew: that costs nothing, and a vendor's queue can be long."""
PROBE = "omnihuman-check.txt"
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
"""What to install for a scheme: the package's own extras."""
SETTINGS: dict[str, dict[str, Any]] = {
    # The newer regions take only this signature, and it must name the bucket's own region.
    scheme: {"config_kwargs": {"signature_version": "s3v4"}, "cache_regions": True}
    for scheme in ("s3", "s3a")
}
TYPE_WORDS = {
    "s3": "ContentType",
    "s3a": "ContentType",
    "gs": "content_type",
    "gcs": "content_type",
}
"""How each store calls the media type of an object."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#@][^?#@]*|file:///[^?#@]+")
_OF_A_SESSION = {"x-amz-security-token"}
"""Signed by credentials that end by themselves, perhaps before the address does."""


@dataclass(frozen=True, kw_only=True)
class StorePlace:
    """Where a store is. Plain data without credentials."""

    url: str
    """Bucket and folder, such as `s3://bucket/media`."""
    public: str | None = None
    """The https address at which everybody can read that folder, where there is one."""

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.url) or is_web(self.url):
            raise CannotStart(
                f"--media-store {without_credentials(self.url)}: write the address of a bucket, "
                "such as s3://bucket/media, without keys: they belong in the environment."
            )
        if self.public is not None and (not is_web(self.public) or set("?#@") & set(self.public)):
            raise CannotStart(
                f"--media-store-public {without_credentials(self.public)}: write the https address "
                "at which everybody can read the folder of --media-store."
            )

    @property
    def fingerprint(self) -> str:
        """Stands for this store where something is remembered about it."""
        written = f"{self.url.rstrip('/')}\n{self.public or ''}"
        return hashlib.sha256(written.encode()).hexdigest()[:16]


class MediaStore:
    """The bucket, as fsspec speaks with it.

    Called from threads. Passing trouble is `Transient`, a bucket that says no is `Refused`.
    """

    def __init__(self, place: StorePlace) -> None:
        """`CannotStart` where nothing here speaks with such a bucket."""
        self.place = place
        self._scheme = place.url.partition(":")[0].lower()
        try:
            import fsspec  # noqa: PLC0415 - slow, and needed only with a store

            settings = SETTINGS.get(self._scheme, {})
            self._system, folder = fsspec.core.url_to_fs(
                place.url, skip_instance_cache=True, **settings
            )
        except (ImportError, ValueError) as error:
            raise CannotStart(
                f"--media-store {place.url} cannot be used: {error}. {self._installing}"
            ) from error
        self._folder = folder.rstrip("/")

    @property
    def _installing(self) -> str:
        extra = EXTRAS.get(self._scheme)
        return f"Install it: pip install 'prefect-omnihuman[{extra}]'." if extra else ""

    def has(self, name: str, size: int | None = None) -> bool:
        """Whether an object is there, whole. A bucket that does not tell has to be asked to
        take it again.
        """
        try:
            found = self._told(lambda: self._system.info(f"{self._folder}/{name}"), "looked at")
        except Refused:
            return False
        there = found.get("size") or 0
        return there > 0 if size is None else there == size

    def put(self, name: str, content: bytes, media_type: str) -> None:
        """Writes an object; a bucket takes it whole or not at all."""
        word = TYPE_WORDS.get(self._scheme)
        named = {} if word is None else {word: media_type}
        path = f"{self._folder}/{name}"
        if word is None:  # a folder has to be there first; a bucket has none
            self._told(lambda: self._system.makedirs(self._folder, exist_ok=True), "written to")
        self._told(lambda: self._system.pipe_file(path, content, **named), "written to")

    def address(self, name: str) -> Staged:
        """Where a vendor finds an object, and for how long."""
        if self.place.public is not None:
            # It has no end, but the object may: so after a while somebody looks again.
            address = f"{self.place.public.rstrip('/')}/{quote(name)}"
            return Staged(address=address, kept_for=SIGNED_FOR)
        seconds = int(SIGNED_FOR.total_seconds())
        path = f"{self._folder}/{name}"
        try:
            signed: str = self._system.sign(path, expiration=seconds)
        except Exception as error:  # every store has errors of its own
            raise Transient(
                f"--media-store {self.place.url}: no address can be signed "
                f"({type(error).__name__}: {error}). Put the bucket's keys into the environment, "
                "or name its public address with --media-store-public."
            ) from error
        words = {name.lower() for name, _ in parse_qsl(urlsplit(signed).query)}
        kept_for = timedelta(0) if words & _OF_A_SESSION else SIGNED_FOR
        return Staged(address=signed, kept_for=kept_for)

    def check_reach(self, *, nearby: bool) -> None:
        """`CannotStart` where no vendor could fetch from here. `nearby`: it is on this machine."""
        try:
            address = self.address(PROBE).address
        except Transient as error:
            raise CannotStart(error.message) from error
        if not nearby and not is_public(address):
            host = urlsplit(address).netloc
            raise CannotStart(
                f"--media-store {self.place.url}: its addresses ({host}) are not public https "
                "addresses, so no vendor can fetch from there."
            )

    def check(self, read: Callable[[str], bytes]) -> None:
        """Writes, signs, reads back as a stranger would, and removes what it wrote."""
        content = PROBE.encode()
        self.put(PROBE, content, "text/plain")
        try:
            if read(self.address(PROBE).address) != content:
                raise Refused("What was written is not what is read back", "media_store")
        finally:
            with suppress(Exception):  # some may write and not remove; the file is tiny
                self._system.rm_file(f"{self._folder}/{PROBE}")

    def _told(self, ask: Callable[[], T], what: str) -> T:
        try:
            return ask()
        except (PermissionError, FileNotFoundError) as error:
            raise Refused(f"{self.place.url} cannot be {what}: {error}", "media_store") from error
        except Exception as error:  # every store has errors of its own
            if type(error).__name__ in NO_KEYS:
                raise Refused(f"{self.place.url} needs its keys: {error}", "media_store") from error
            raise Transient(
                f"{self.place.url} cannot be {what} now: {type(error).__name__}: {error}"
            ) from error
