"""Vendors that call back, from the command line: lost answers heal while the catalogue is made."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa

from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.ledger.schema import intents

Place: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

WHERE = re.compile(r"Listening at (http://127\.0\.0\.1:\d+) for the ledger \S+ \(0 intents\)")


def test_lost_answers_heal_while_the_catalogue_is_made(
    place: Place, until: Callable[..., Any]
) -> None:
    """fal and Pixazo cannot be asked about a purchase, but they call. No token is told anywhere."""
    place.add_rows(1, ["fal", "pixazo"])
    place.lay()
    lost = {"kind": "lost_answer"}
    place.sandbox.faults.add({"operation": "submit", "effect": lost})
    receiving = place.start("webhooks", "--port", "0", "--results", "out")
    try:
        until(receiving.out.exists, "its output")
        (url,) = until(lambda: WHERE.findall(receiving.out.read_text()), "the receiver")
        said = place.generate("--webhook-url", url)
    finally:
        receiving.signal(signal.SIGTERM)
        ended = receiving.end()
    assert (said.code, said.rows, said.told["bought"]) == (0, {"done": 2}, 0), said
    assert place.counts().accepted() == 2
    assert json.loads((place.results / "omnihuman.json").read_text())["webhook_url"] == url
    assert ended.code == 0, ended
    assert "Stopped. Callbacks: 2 adopted." in ended.err
    with Ledger.open(place.results / "ledger.db") as ledger:
        tokens = ledger._store.read(
            lambda tx: tx.run(sa.select(intents.c.callback_token)).scalars().all()
        )
    told = [f"{said}", f"{ended}", *map(str, place.catalogue()), place.status().out]
    assert len(tokens) == 2
    assert [text for text in told for token in tokens if token in text] == []


@pytest.mark.parametrize("url", ["hooks.example", "https://ada:secret@hooks.example"])
def test_an_address_that_cannot_be_called_starts_nothing(bare_place: Place, url: str) -> None:
    """Told before anything is bought, without repeating a password."""
    bare_place.add_rows(1, ["fal"])
    bare_place.lay()
    said = bare_place.generate("--webhook-url", url)
    assert said.code == 2, said
    assert "--webhook-url" in said.err
    assert "secret" not in said.err
    assert bare_place.counts().accepted() == 0
