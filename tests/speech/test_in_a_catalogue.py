"""A changed lexicon entry: the plan shows which videos it would buy again, why, at what price."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from omnihuman_blocks.catalogue.concluding import conclude, write_beginning
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, plan_order, prepare
from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.planned import Verdict
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk.opening import Setting, open_house
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.walker import walk

SCRIPTS = pd.DataFrame(
    [
        {"script_id": "sql", "locale": "en-US", "text": "SQL is a language.", "avatar_id": "mira"},
        {"script_id": "hi", "locale": "de", "text": "Guten Tag.", "avatar_id": "mira"},
        {"script_id": "wrong", "locale": "en-US", "text": "Добрый день.", "avatar_id": "mira"},
        {"script_id": "kanji", "locale": "ja", "text": "今日", "avatar_id": "mira"},
    ]
)


@pytest.fixture
def order(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """Four texts, no recording, and a lexicon."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sandbox.settings, "time_scale", 0.001)
    monkeypatch.setattr(pacing, "FIRST_WAIT", 0.05)
    Image.new("RGB", (320, 320), (90, 120, 50)).save(tmp_path / "face.png")
    lexicon = tmp_path / "lexicon.csv"
    lexicon.write_text("locale,written,said\nen,SQL,ess queue ell\n")
    return Order(
        scripts=SCRIPTS,
        avatars=pd.DataFrame([{"avatar_id": "mira", "image_uri": str(tmp_path / "face.png")}]),
        results=str(tmp_path / "out"),
        provider="runware",
        lexicon=str(lexicon),
    )


def make(order: Order) -> Prepared:
    """As the flow does, without Prefect."""
    began_at = datetime.now(UTC)
    shop = open_shop(order, os.environ, with_keys=True)
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=True)
    write_beginning(prepared)

    async def walk_all() -> Any:
        setting = Setting.of(order, "test")
        async with open_house(setting, load_block=lambda _: None) as house:
            return await asyncio.gather(*(walk(house, one) for one in prepared.errands()))

    endings = asyncio.run(walk_all())
    with open_ledger(order) as ledger:
        conclude(prepared, endings, ledger, began_at=began_at)
    return prepared


def test_a_voice_that_is_not_there_is_mended_where_it_was_named(
    order: Order, tmp_path: Path
) -> None:
    """In the script, or in the avatar whose voice it is."""
    scripts = pd.DataFrame(
        {"script_id": ["a", "b"], "locale": "en", "text": "Hello.", "voice": ["f1", "carl"]}
    )
    avatars = pd.DataFrame(
        {"avatar_id": ["m"], "image_uri": [str(tmp_path / "face.png")], "voice": ["nobody"]}
    )
    spoken, named = plan_order(replace(order, scripts=scripts, avatars=avatars)).plan.rows
    assert spoken.rejections == ()
    assert [one.where for one in named.rejections] == ["scripts row 2, column `voice`"]
    scripts["voice"] = ["f1", None]
    _, silent = plan_order(replace(order, scripts=scripts, avatars=avatars)).plan.rows
    assert [one.where for one in silent.rejections] == ["avatars row 1, column `voice`"]


def test_a_changed_entry_is_shown_with_its_rows_their_reason_and_their_price(
    order: Order, sandbox: Sandbox
) -> None:
    """Rows that do not use the word stay as they are, and going back buys nothing."""
    prepared = make(order)
    assert sandbox.counts().charged("runware") == 2
    rejected = {row.script_id: row.rejections for row in prepared.plan.rows if row.rejections}
    assert {name: [one.column for one in rejected[name]] for name in rejected} == {
        "wrong": ["text"],
        "kanji": ["text"],
    }
    assert "written in Cyrillic letters" in rejected["wrong"][0].reason
    assert "cannot read Chinese characters" in rejected["kanji"][0].reason

    lexicon = Path(str(order.lexicon))
    before = lexicon.read_text()
    lexicon.write_text("locale,written,said\nen,SQL,sequel\nen,JSON,jason\n")
    planned = plan_order(order)
    bought = {row.script_id: row for row in planned.plan.rows if row.verdict is Verdict.NEW}
    assert list(bought) == ["sql"]
    (note,) = bought["sql"].notes
    quote = bought["sql"].quote
    assert quote is not None
    assert quote > Decimal("0.1")
    assert note == (
        f"It is said otherwise than in the video of {datetime.now(UTC):%Y-%m-%d}: "
        f"`SQL` as `sequel`, then as `ess queue ell`. Buying it again costs ${quote:.2f}."
    )
    assert planned.summary().quote_usd == quote

    slower = plan_order(replace(order, speech="espeak?speed=0.8"))
    notes = {row.script_id: row.notes for row in slower.plan.rows if row.notes}
    assert "speed 0.8, then 1." in notes["hi"][0]
    assert "`SQL` as `sequel`, then as `ess queue ell`; speed 0.8, then 1" in notes["sql"][0]

    lexicon.write_text(before)
    assert not plan_order(order).plan.to_buy()
    assert sandbox.counts().charged("runware") == 2
