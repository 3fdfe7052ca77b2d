"""A recipe is all that shapes how a text sounds, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from omnihuman_blocks.domain.speech import Recipe, difference

RECIPE = Recipe(
    text="SQL, bitte.",
    locale="de-DE",
    voice="de+f2",
    engine="espeak-ng/1.52",
    lexicon=(("SQL", "sequel"),),
)
GOLDEN = "speech:c365be311a8302d67dd3ba2a71dc169462ae3d11a69e4dd5ee540895727c4faf"


def test_the_identity_of_a_recipe_never_changes() -> None:
    """A changed one would buy every spoken video again. Speed is a number, however written."""
    assert RECIPE.identity == GOLDEN
    assert replace(RECIPE, speed=Decimal("1.00")).identity == GOLDEN


@pytest.mark.parametrize(
    "change",
    [
        {"text": "SQL, danke."},
        {"locale": "de-AT"},
        {"voice": "de"},
        {"engine": "espeak-ng/1.53"},
        {"speed": Decimal("1.1")},
        {"lexicon": ()},
        {"lexicon": (("SQL", "es ku el"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_can_be_heard_is_in_it(change: dict[str, object]) -> None:
    """Another recipe, another identity."""
    assert replace(RECIPE, **change).identity != GOLDEN  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lexicon": ()}, "`SQL` as it is written, then as `sequel`"),
        ({"lexicon": (("SQL", "es ku el"),)}, "`SQL` as `es ku el`, then as `sequel`"),
        ({"lexicon": (*RECIPE.lexicon, ("a", "b"))}, "`a` as `b`, then as it is written"),
        ({"voice": "de", "speed": Decimal(2)}, "voice de, then de+f2; speed 2, then 1"),
        ({"engine": "x", "lexicon": ()}, "it is written, then as `sequel`; engine x, then espeak"),
        ({}, ""),
    ],
)
def test_what_is_said_otherwise_is_told(change: dict[str, object], said: str) -> None:
    """So that a plan can say why a video would be bought again."""
    told = difference(RECIPE, replace(RECIPE, **change))  # type: ignore[arg-type]
    assert said in told
    assert bool(told) is bool(change)
