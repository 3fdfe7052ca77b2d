"""Stretches follow each other."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.voiced import Stretch, in_order

AUDIO = Media(
    kind=MediaKind.AUDIO, uri="a.wav", sha256="a", size=1, format="wav", seconds=Decimal("2.5")
)


def test_each_begins_where_the_one_before_it_ends() -> None:
    unknown = replace(AUDIO, seconds=None)
    stretches = in_order([Stretch(audio=AUDIO), Stretch(audio=unknown), Stretch(audio=AUDIO)])
    assert [one.start_seconds for one in stretches] == [0, Decimal("2.5"), Decimal("2.5")]
