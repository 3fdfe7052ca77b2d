"""The moments in which a person is needed: doubts, a lost ledger, and caps."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("commands")


def test_a_person_settles_doubts_and_every_word_is_kept(place: Any) -> None:
    """Two answers lost at fal: one had been accepted, one had not; both rows end done."""
    place.add_row("fal", 1)
    place.add_row("fal", 2)
    place.lay()
    for kind, skip in (("dropped", 0), ("lost_answer", 1)):
        when = {"skip": skip, "first": 1}
        place.sandbox.faults.add({"operation": "submit", "effect": {"kind": kind}, "when": when})
    said = place.generate("--max-in-flight", "1")
    assert said.code == 4, said
    assert said.rows == {"in_doubt": 2}
    (purchase,) = place.counts().purchases
    shown = place.run("reconcile", "out")
    assert shown.code == 4, shown
    assert "dashboard" in shown.out
    status = place.run("status", "out")
    assert status.code == 4, status
    assert status.out.count("in doubt: ") == 2
    for words in ("fal-1 de-DE face0", "UTC, up to $", "dashboard", "--not-bought"):
        assert words in status.out
    keys = {row["script_id"]: row["clip_key"] for row in place.catalogue()}
    mine = purchase.audio_sha256 == place.digest_of("fal", 1)
    was_bought, other = ("fal-1", "fal-2") if mine else ("fal-2", "fal-1")
    ticket = purchase.ticket
    mistyped = place.run("reconcile", "out", "--job", keys[was_bought], "--ticket", "nonsense")
    assert mistyped.code == 2, mistyped
    assert "does not confirm ticket nonsense" in mistyped.err
    settled = place.run("reconcile", "out", "--job", keys[was_bought][:12], "--ticket", ticket)
    assert settled.code == 4, settled
    settled = place.run("reconcile", "out", "--job", keys[other], "--not-bought")
    assert settled.code == 0, settled
    assert place.generate().rows == {"done": 2}
    assert place.counts().accepted() == 2
    assert place.counts().bought_twice() == ()
    life = place.run("ledger", "show", keys[was_bought][:10], "--results", "out")
    assert life.code == 0, life
    assert ticket in life.out
    unknown = place.run("ledger", "show", "0000000000", "--results", "out")
    assert unknown.code == 2
    assert "Traceback" not in unknown.err


def test_a_lost_ledger_is_founded_anew_and_buys_nothing_again(place: Any) -> None:
    """Without it nothing starts; rebuilt from the catalogue, everything is still done."""
    place.add_rows(1)
    place.lay()
    assert place.generate().code == 0
    before = place.counts().accepted()
    for file in place.results.glob("ledger.db*"):
        file.unlink()
    said = place.generate()
    assert said.code == 2
    assert "ledger rebuild" in said.err
    assert "Traceback" not in said.err
    rebuilt = place.run("ledger", "rebuild", "out")
    assert rebuilt.code == 0, rebuilt
    assert "4 jobs" in rebuilt.out
    said = place.generate()
    assert (said.code, said.rows) == (0, {"done": 4}), said
    assert place.counts().accepted() == before


def test_a_lost_catalogue_is_written_anew_from_the_ledger(place: Any) -> None:
    """Nothing is asked of any vendor; without the ledger, too, the videos say that it was there."""
    place.add_rows(1)
    place.lay()
    assert place.generate().code == 0
    # Who came last is new, and whether a file was old enough by then to be known by its age.
    news = {"flow_run_id": None, "fingerprint": None, "reused": False}
    lines = [{**line, **news} for line in place.catalogue()]
    asked = place.requests()
    (place.results / "catalogue.parquet").unlink()
    said = place.generate()
    assert (said.code, said.rows, said.told["bought"]) == (0, {"done": 4}, 0), said
    assert [{**line, **news} for line in place.catalogue()] == lines
    assert place.requests() == asked

    for file in (place.results / "catalogue.parquet", *place.results.glob("ledger.db*")):
        file.unlink()
    said = place.generate()
    assert said.code == 2, said
    assert "ledger.db is missing" in said.err
    assert place.counts().accepted() == 4


def test_a_standing_cap_holds_for_every_invocation(place: Any) -> None:
    """A cent a day at fal: nothing is bought there until the cap is lifted."""
    place.add_row("fal", 1)
    place.lay()
    assert place.plan().code == 0
    cap = ("ledger", "cap", "--vendor", "fal", "--per-day")
    assert place.run(*cap, "0.01", "--results", "out").code == 0
    said = place.generate()
    assert (said.code, said.rows) == (3, {"blocked": 1}), said
    assert place.counts().accepted() == 0
    assert place.run(*cap, "none", "--results", "out").code == 0
    assert place.generate().code == 0
