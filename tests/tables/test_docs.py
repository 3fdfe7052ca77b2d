"""The page about tables tells what the program says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from omnihuman_blocks.domain import problems
from omnihuman_blocks.domain.problems import Problem
from omnihuman_blocks.edges.columns import CATALOGUE
from omnihuman_blocks.edges.sheets import AVATAR_COLUMNS, SCRIPT_COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, Callable[[], Problem]] = {
    "missing": lambda: problems.missing("locale"),
    "no_avatar_named": problems.no_avatar_named,
    "not_exact": lambda: problems.not_exact("script_id"),
    "no_flag": lambda: problems.no_flag("enabled", "perhaps"),
    "no_locale": lambda: problems.no_locale(
        "locale", "`locale` is 'german', which is no language tag."
    ),
    "unknown_avatar": lambda: problems.unknown_avatar("anna"),
    "rejected_avatar": lambda: problems.rejected_avatar("anna", 3),
    "not_admitted": lambda: problems.not_admitted("pt-BR", "anna"),
    "nobody_admits": lambda: problems.nobody_admits("pt-BR"),
    "said_twice": lambda: problems.said_twice("scripts", 3),
    "broken_line": lambda: problems.broken_line(3, 4),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_reason_and_remedy_is_on_the_page(name: str) -> None:
    """Word for word, so that whoever searches for a message finds it."""
    problem = EXAMPLES[name]()
    assert f"| {problem.reason} | {problem.remedy} |" in PAGE


def test_no_reason_is_forgotten() -> None:
    """Every function that words a problem has its example here."""
    worded = {
        name
        for name, value in vars(problems).items()
        if callable(value) and getattr(value, "__annotations__", {}).get("return") == "Problem"
    }
    assert worded == EXAMPLES.keys()


def test_every_column_is_on_the_page() -> None:
    """Those that go in and those that come out."""
    names = {*SCRIPT_COLUMNS, *AVATAR_COLUMNS, *CATALOGUE.names}
    assert isinstance(CATALOGUE, pa.Schema)
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
