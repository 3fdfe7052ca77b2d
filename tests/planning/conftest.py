"""Rows, media and offers with what a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Protocol

import pytest

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.limits import Limits
from omnihuman_blocks.domain.options import Options, content, handling
from omnihuman_blocks.domain.planned import Plan
from omnihuman_blocks.domain.planning import Circumstances, Offer, plan
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.domain.row import Entry, Row
from omnihuman_blocks.errors import InvalidRow

Make = Callable[..., Any]


class Example(Options):
    """A vendor's options."""

    resolution: Literal["720p", "1080p"] | None = content("1080p", "resolution", "How fine.")
    prompt: str | None = content(None, "prompt", "What to do.")
    webhook_url: str | None = handling(None, "query:hook", "Where to call.")


class Planner(Protocol):
    """Plans entries with the media that they name."""

    def __call__(self, *entries: Entry, **changes: Any) -> Plan: ...


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A row that can be bought."""
    usual = Row(
        script_id="intro",
        locale="de-DE",
        avatar_id="anna",
        image_uri="/media/anna.png",
        audio_uri="/media/intro.wav",
        provider="fal",
        script_row=3,
        avatar_row=2,
    )
    return lambda **changes: replace(usual, **changes)


@pytest.fixture
def make_offer() -> Callable[..., Offer]:
    """A vendor that takes uploads of everything."""
    usual = Offer(
        provider="fal",
        model="omnihuman/v1.5",
        options=Example,
        limits=lambda options: Limits(
            audio_seconds=Decimal(60 if options.content()["resolution"] == "720p" else 30),
            advised_audio_seconds=Decimal(15),
            image_formats=frozenset({"png", "jpeg"}),
        ),
        price=Price(usd_per_second=Decimal("0.16"), as_of=date(2026, 9, 1), source="its page"),
        stages=frozenset(MediaKind),
    )
    return lambda **changes: replace(usual, **changes)


@pytest.fixture
def make_media() -> Callable[..., Media]:
    """A medium whose digest follows from its address."""

    def make(kind: MediaKind, uri: str, **changes: Any) -> Media:
        audio = kind is MediaKind.AUDIO
        usual = Media(
            kind=kind,
            uri=uri,
            sha256=uri.encode().hex().ljust(64, "0")[:64],
            size=1000,
            format="wav" if audio else "png",
            seconds=Decimal(10) if audio else None,
        )
        return replace(usual, **changes)

    return make


@pytest.fixture
def make_plan(make_offer: Make, make_media: Make) -> Planner:
    """Plans entries; media that `media` does not name are as usual."""

    def make(*entries: Entry, **changes: Any) -> Plan:
        media: dict[tuple[MediaKind, str], Media | InvalidRow] = {
            (kind, uri): make_media(kind, uri)
            for row in entries
            if isinstance(row, Row)
            for kind, uri in (
                (MediaKind.IMAGE, row.image_uri),
                (MediaKind.AUDIO, row.audio_uri),
                (MediaKind.MASK, row.mask_uri),
            )
            if uri is not None
        }
        media.update(changes.pop("media", {}))
        offers = changes.pop("offers", {"fal": make_offer()})
        return plan(entries, Circumstances(offers=offers, media=media, **changes))

    return make
