"""A hundred deaths and more: at every border of the walk, in flight, and at random times.

The long version is `make fuzz`; one round alone: `python -m tests.fuzz --seed N --round N`.
"""

from __future__ import annotations

from pathlib import Path

from omnihuman_blocks.walk.borders import Border
from tests.fuzz.fuzz import Play, Tally
from tests.fuzz.rounds import make
from tests.fuzz.world import world

SEED = 4
KILLS = 100
MOST_ROUNDS = 25


def test_whoever_dies_wherever_nothing_is_bought_twice_and_nothing_is_lost(tmp_path: Path) -> None:
    """Judged by the vendors' own count after every death and at the end of every round.

    A border counts once a process has died there. What each round is made of depends on the seed
    alone; which of its deaths come true depends on the machine, so it goes on until all have.
    """
    tally = Tally()
    with world(tmp_path) as here:
        while tally.killed < KILLS or _alive(tally):
            assert tally.rounds < MOST_ROUNDS, f"nobody died {_alive(tally)}"
            Play(here, make(SEED, tally.rounds), tally).play()
    assert tally.kills["in flight"] >= 10
    assert tally.kills["at a random time"] >= 10
    assert tally.stages["done"] > tally.jobs / 2


def _alive(tally: Tally) -> list[Border]:
    """Borders at which nobody has died."""
    return [border for border in Border if not tally.kills[border]]
