"""For notebooks: tables as DataFrames or addresses in, plans and catalogues as DataFrames out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

from omnihuman_blocks.catalogue.preparing import plan_order
from omnihuman_blocks.edges.recall import read_catalogue, read_plan
from omnihuman_blocks.edges.sources import Given
from omnihuman_blocks.walk.order import Order

__all__ = ["plan_catalogue", "read_catalogue"]


def plan_catalogue(
    scripts: Given,
    avatars: Given,
    *,
    results: str | os.PathLike[str],
    provider: str,
    options: Mapping[str, Any] | None = None,
    prices: Mapping[str, Decimal | float | str] | None = None,
    strict: bool = False,
    no_split: bool = False,
    ledger: str | None = None,
    speech: str | None = None,
    voices: str | None = None,
    lexicon: str | None = None,
) -> pd.DataFrame:
    """What would be bought, a line for each row, with its verdict, quote and rejections.

    Spends nothing and needs no key.

    Args:
        scripts: A DataFrame, or the address of a table. Relative addresses in a DataFrame start
            at the current folder.
        avatars: The same for avatars.
        results: The results folder that it would be generated into.
        provider: A vendor's name, or `block:TYPE-SLUG/NAME`.
        options: Wishes for all rows, such as `resolution` or `variants`.
        prices: Dollars per second by vendor, where you know better.
        strict: Reject rows with wishes that the model cannot honour.
        no_split: Reject speech that is longer than a model takes, instead of buying it in parts.
        ledger: Address of the ledger, where it is not the file in the results folder.
        speech: Who speaks text: `espeak`, `openai:URL` or `block:NAME`.
        voices: Address of a file that says which voice is meant in which locale.
        lexicon: Address of a table that says how words are said.
    """
    order = Order(
        scripts=scripts,
        avatars=avatars,
        results=os.fspath(results),
        provider=provider,
        options=options or {},
        prices={name: Decimal(str(usd)) for name, usd in (prices or {}).items()},
        strict=strict,
        no_split=no_split,
        ledger=ledger,
        speech=speech,
        voices=voices,
        lexicon=lexicon,
    )
    prepared = plan_order(order)
    return read_plan(prepared.folder)
