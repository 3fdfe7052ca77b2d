"""What is remembered to save work, and forgotten as soon as it may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from omnihuman_blocks.domain.job import Output, Ready, Staged
from omnihuman_blocks.edges.ledger import Intended, Ledger

HOUR = timedelta(hours=1)
LONG = "https://store.example/face.png?signature=" + "x" * 5000


def test_facts_of_a_medium_are_kept_while_its_fingerprint_is_the_same(ledger: Ledger) -> None:
    """Changed, it must be examined again; however long its address is."""
    for address in ("/media/face.png", LONG, "/media/größe 🎬.png"):
        assert ledger.recall(address, "v1") is None
        ledger.remember(address, "v1", {"sha256": "a" * 64, "size": 2**40})
        assert ledger.recall(address, "v1") == {"sha256": "a" * 64, "size": 2**40}
        assert ledger.recall(address, "v2") is None
        ledger.remember(address, "v2", {"sha256": "b" * 64})
        assert ledger.recall(address, "v2") == {"sha256": "b" * 64}
        assert ledger.recall(address, "v1") is None


def test_thousands_of_media_are_recalled_together(ledger: Ledger) -> None:
    """Those that are known and unchanged, and no others."""
    ledger.remember_many([(f"/media/{n}.png", "v1", {"n": n}) for n in range(2500)])
    wanted = {f"/media/{n}.png": "v1" for n in range(2000, 12_500)}
    wanted["/media/2001.png"] = "v2"
    found = ledger.recall_many(wanted)
    assert found == {f"/media/{n}.png": {"n": n} for n in range(2000, 2500) if n != 2001}


def test_staged_media_are_found_while_the_vendor_keeps_them(ledger: Ledger) -> None:
    """Per vendor, account and content, and only if they will be there long enough."""
    ledger.keep_staged("fal", "acc-1", "s1", Staged(address="https://f/1", kept_for=HOUR))
    ledger.keep_staged("fal", "acc-1", "s2", Staged(address="https://f/2"))
    assert ledger.staged("fal", "acc-1", "s1") == "https://f/1"
    assert ledger.staged("fal", "acc-1", "s1", at_least=HOUR / 2) == "https://f/1"
    assert ledger.staged("fal", "acc-1", "s1", at_least=HOUR * 2) is None
    assert ledger.staged("fal", "acc-1", "s2", at_least=HOUR * 1000) == "https://f/2"
    assert ledger.staged("fal", "acc-2", "s1") is None
    assert ledger.staged("runware", "acc-1", "s1") is None
    ledger.keep_staged("fal", "acc-1", "s1", Staged(address="https://f/9", kept_for=HOUR * 9))
    assert ledger.staged("fal", "acc-1", "s1", at_least=HOUR * 2) == "https://f/9"
    ledger.forget_staged("fal", "acc-1", "s1")
    assert ledger.staged("fal", "acc-1", "s1") is None


def test_how_long_jobs_took_is_learnt_from_finished_ones(
    ledger: Ledger, bought: Callable[..., Intended]
) -> None:
    """Newest first, once for each; measured waiting counts before the vendor's own figure."""
    ready = Ready(outputs=(Output(url="https://v/1"),), generated_seconds=Decimal(50))
    for waited in (61.0, None, 63.0):
        claim = bought(ledger)
        for _ in range(2):  # the vendor repeats itself
            ledger.finish(claim.key, 1, ready, waited_seconds=waited)
    silent = bought(ledger)
    ledger.finish(silent.key, 1, Ready(outputs=ready.outputs))
    assert ledger.durations("fal", "omnihuman/v1.5") == [(9.5, 63.0), (9.5, 50.0), (9.5, 61.0)]
    assert ledger.durations("fal", "omnihuman/v1.5", most=1) == [(9.5, 63.0)]
    assert ledger.durations("fal", "another") == []
