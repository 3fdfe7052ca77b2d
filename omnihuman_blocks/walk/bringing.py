"""A medium of a job -> the address at which its vendor finds it. Free, and repeatable.

A public address is handed on as it is. Anything else is brought once: to the vendor where it
takes uploads, to the user's own store where it does not (or cannot just now). What the vendor
does not take as it is goes as a copy that it takes. Where things were brought is in the ledger,
until the place forgets them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.addresses import is_public, is_web
from omnihuman_blocks.domain.job import Job, Media, Staged, Upload
from omnihuman_blocks.domain.limits import COLUMNS, Conversion, conversion
from omnihuman_blocks.edges.converting import convert
from omnihuman_blocks.edges.media import suffix_of, upload_of
from omnihuman_blocks.edges.places import shown
from omnihuman_blocks.edges.store import SIGNED_FOR_AT_LEAST, MediaStore
from omnihuman_blocks.errors import InvalidRow, Refused, Transient
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.house import Desk, House

T = TypeVar("T")

STAGED_FOR_AT_LEAST = timedelta(hours=1)
"""A staged medium that goes sooner than this is brought again: a queue can be long."""
TRIES = 5
STORE = "media-store"
"""Stands in the ledger where a vendor's name would."""


async def address_for(house: House, desk: Desk, job: Job, media: Media) -> str:
    """Where the vendor finds a medium: its own address, or one where we have put it."""
    copy = conversion(desk.limits_of(job), media)
    if copy is None and is_web(media.uri) and _can_fetch(desk, media.uri):
        return media.uri
    room = desk.seller.room
    if room.staging is None or media.kind not in room.STAGES:
        return await _stored(house, desk, media, copy)
    try:
        return await _uploaded(house, desk, media, copy)
    except (Transient, Refused):
        if house.store is None:
            raise
        return await _stored(house, desk, media, copy)


def _can_fetch(desk: Desk, address: str) -> bool:
    return is_public(address) or desk.seller.account.is_local


# --- to the vendor ------------------------------------------------------------------------------


async def _uploaded(house: House, desk: Desk, media: Media, copy: Conversion | None) -> str:
    name, account = desk.seller.name, desk.seller.account
    form = _form(media, copy)
    async with house.bringing[name, form]:
        known = await house.book(
            house.ledger.staged, name, account.fingerprint, form, at_least=STAGED_FOR_AT_LEAST
        )
        if known is not None:
            return known
        upload = await _upload(house, media, copy)
        staging = desk.seller.room.staging
        assert staging is not None  # noqa: S101 - asked before

        async def send() -> Staged:
            return await house.http.follow(account, staging(upload))

        house.passing(Border.BEFORE_UPLOAD)
        staged = await _patiently(house, send)
        house.passing(Border.STAGED)
        if not staged.address.startswith("data:"):
            await house.book(house.ledger.keep_staged, name, account.fingerprint, form, staged)
        house.passing(Border.ADDRESS_KEPT)
        return staged.address


# --- to the user's own store --------------------------------------------------------------------


async def _stored(house: House, desk: Desk, media: Media, copy: Conversion | None) -> str:
    store = house.store
    if store is None:
        raise InvalidRow(
            f"{desk.seller.room.TITLE} takes no upload of this kind ({media.kind}). Give a public "
            "https address, or name a place for media with `--media-store`.",
            COLUMNS[media.kind],
        )
    form, place = _form(media, copy), store.place.fingerprint
    async with house.bringing[STORE, form]:
        address = await house.book(
            house.ledger.staged, STORE, place, form, at_least=SIGNED_FOR_AT_LEAST
        )
        if address is None:
            staged = await _put(house, store, media, copy)
            await house.book(house.ledger.keep_staged, STORE, place, form, staged)
            house.passing(Border.ADDRESS_KEPT)
            address = staged.address
    if not _can_fetch(desk, address):
        raise InvalidRow(
            f"{desk.seller.room.TITLE} cannot fetch from {shown(store.place.url)}: its addresses "
            "are not public https addresses.",
            COLUMNS[media.kind],
        )
    return address


async def _put(house: House, store: MediaStore, media: Media, copy: Conversion | None) -> Staged:
    """Brings it there, unless it is there; the signature is new either way."""
    name = f"{_form(media, copy)}.{suffix_of(_format(media, copy))}"
    size = media.size if copy is None else None
    if not await _patiently(house, lambda: asyncio.to_thread(store.has, name, size)):
        upload = await _upload(house, media, copy)
        house.passing(Border.BEFORE_UPLOAD)
        put = partial(asyncio.to_thread, store.put, name, upload.content, upload.media_type)
        await _patiently(house, put)
        house.passing(Border.STAGED)
    return await asyncio.to_thread(store.address, name)


# --- both ---------------------------------------------------------------------------------------


def _form(media: Media, copy: Conversion | None) -> str:
    """What is brought: the original by its digest, or one of its copies."""
    return media.sha256 if copy is None else f"{media.sha256}-{copy.recipe}"


def _format(media: Media, copy: Conversion | None) -> str:
    return media.format if copy is None else copy.format


async def _upload(house: House, media: Media, copy: Conversion | None) -> Upload:
    original = await house.read_upload(media)
    if copy is None:
        return original
    try:
        work = partial(convert, original.content, media.kind, copy)
        content = await asyncio.get_running_loop().run_in_executor(house.pool, work)
    except ValueError as error:
        column = COLUMNS[media.kind]
        raise InvalidRow(
            f"`{column}` {shown(media.uri)} cannot be sent as {copy.format.upper()}: {error}.",
            column,
        ) from error
    return upload_of(media, content, _format(media, copy))


async def _patiently(house: House, bring: Callable[[], Awaitable[T]]) -> T:
    """Tries again what only passing trouble stopped."""
    for tried in range(1, TRIES + 1):
        try:
            return await bring()
        except Transient as error:
            if tried == TRIES:
                raise
            await house.rest(pacing.after_failure(tried, error.retry_after))
    raise AssertionError(TRIES)  # pragma: no cover - the last try returns or raises
