"""A script that no vendor takes whole, as people meet it on a command line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

import pytest

Place: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

SCRIPT = [f"This is sentence number {number}, and it says a thing or two." for number in range(18)]


def lay(place: Place, sentences: list[str]) -> None:
    row = {"script_id": "long", "locale": "en-GB", "text": " ".join(sentences)}
    place.scripts[:] = [{**row, "avatar_id": "face0"}]
    place.lay()


def test_one_edited_sentence_costs_one_part_and_the_plan_says_so(place: Place) -> None:
    """`--no-split` would reject the row instead, and says how to go on."""
    place.add_avatar(0)
    lay(place, SCRIPT)
    made = place.generate()
    (row,) = place.catalogue()
    parts = len(row["parts"])
    assert (made.code, made.rows, made.told["bought"]) == (0, {"done": 1}, parts), made
    assert parts > 1
    assert (place.results / row["video_uri"]).is_file()

    lay(place, [*SCRIPT[:4], "This one was edited.", *SCRIPT[5:]])
    planned = place.plan()
    assert (planned.code, planned.rows) == (0, {"planned": 1})
    edited = place.generate()
    assert (edited.code, edited.told["bought"]) == (0, 1), edited
    assert edited.told["quote_usd"] == planned.told["quote_usd"]
    assert Decimal(planned.told["quote_usd"]) < Decimal(made.told["quote_usd"])
    assert place.counts().charged() == parts + 1

    whole = place.run("plan", *place.tables_and("--no-split"))
    assert whole.code == 1
    assert "Shorten it, or leave out `--no-split`." in whole.out
