"""Jobs that fail for good, jobs that heal, and accounts that are blocked."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest

from omnihuman_blocks.sandbox.settings import VENDORS

Place: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

EACH = 7
CONTENT = {"kind": "fails", "failure": "content"}
INTERNAL = {"kind": "fails", "failure": "internal"}
ODD_REQUEST = {"kind": "refused", "refusal": "not_like_this", "status": 400}


def break_job(place: Place, vendor: str, number: int, effect: dict[str, Any], **rule: Any) -> None:
    """One row's job goes wrong, known by its voice."""
    media = {"media": place.digest_of(vendor, number)[:16]}
    place.sandbox.faults.add({"vendor": vendor, "when": media, "effect": effect, **rule})


def test_failed_rows_are_bought_again_only_as_far_as_they_may_be(place: Place) -> None:
    """A third of each vendor's rows fails in its own way; the others are done.

    `retry` buys again what failed for now and for nothing. What was refused, or may have been
    charged, is bought again only where its class is named. What the vendor calls a hiccup that
    costs nothing heals within the run.
    """
    place.add_rows(EACH)
    place.lay()
    for vendor in VENDORS:
        break_job(place, vendor, 0, CONTENT)
        break_job(place, vendor, 1, ODD_REQUEST, operation="submit")
    for vendor in ("runware", "fal", "pixazo"):
        break_job(place, vendor, 2, INTERNAL)
    for vendor in ("fal", "pixazo"):
        break_job(place, vendor, 3, INTERNAL, times=1)

    made = place.generate()
    assert (made.code, made.rows) == (1, {"done": 17, "failed": 11}), made
    lines = place.by_script()
    for vendor in VENDORS:
        for number in (0, 1):
            assert lines[f"{vendor}-{number}"]["error_class"] == "Refused"
            assert lines[f"{vendor}-{number}"]["error_message"]
        assert "not_like_this" in lines[f"{vendor}-1"]["error_message"]
    assert {lines[f"{vendor}-2"]["error_class"] for vendor in ("runware", "fal", "pixazo")} == {
        "Transient"
    }
    failed = [line for line in lines.values() if line["state"] == "failed"]
    assert {line["script_id"]: line["cost_basis"] for line in failed} == {
        **{f"{vendor}-1": "not_charged" for vendor in VENDORS},
        **{f"{vendor}-0": "not_charged" for vendor in ("fal", "aimlapi")},
        **{f"{vendor}-2": "not_charged" for vendor in ("fal", "pixazo")},
        # These do not say whether a video that failed is charged.
        **dict.fromkeys(("runware-0", "runware-2", "pixazo-0"), "unknown"),
    }
    assert {vendor: lines[f"{vendor}-2"]["attempts"] for vendor in ("fal", "pixazo")} == {
        "fal": 3,
        "pixazo": 3,
    }
    healed = [lines[f"{vendor}-3"] for vendor in ("fal", "pixazo")]
    assert {(one["state"], one["attempts"]) for one in healed} == {("done", 2)}
    bought = place.counts().accepted()
    assert bought == 4 * EACH - 4 + 2 * 2 + 2  # four refused, two tried twice more, two healed

    place.sandbox.faults.clear()
    again = place.generate()
    assert (again.code, again.rows, again.told["bought"]) == (1, made.rows, 0), again
    scheduled = place.generate("--retry-failed")
    assert (scheduled.rows, scheduled.told["bought"]) == (made.rows, 0), scheduled

    for_now = place.retry()
    assert (for_now.code, for_now.told["bought"]) == (1, 2), for_now
    assert attempts_of(place, 2) == {"runware": 1, "fal": 4, "pixazo": 4}
    refused = place.retry("--only", "Refused")
    assert (refused.code, refused.told["bought"]) == (1, 8), refused
    assert attempts_of(place, 0) == attempts_of(place, 1) == dict.fromkeys(VENDORS, 2)
    last = place.retry("--only", "Transient", "BadDelivery")
    assert (last.code, last.rows, last.told["bought"]) == (0, {"done": EACH * 4}, 1), last
    assert place.counts().accepted() == bought + 11
    by_content = place.counts().contents
    assert max(take.charged for take in by_content) == 1


def attempts_of(place: Place, number: int) -> dict[str, int]:
    lines = place.by_script()
    return {
        vendor: lines[f"{vendor}-{number}"]["attempts"]
        for vendor in VENDORS
        if (vendor, number) != ("aimlapi", 2)
    }


def test_a_blocked_account_stops_at_once_and_goes_on_when_it_is_lifted(place: Place) -> None:
    """After the tenth purchase the balance is used up: no row fails, nothing is bought twice."""
    place.add_rows(14, ["fal"])
    place.add_rows(2, ["runware"])
    place.lay()
    broke = {"kind": "refused", "refusal": "balance"}
    place.sandbox.faults.add(
        {
            "id": "broke",
            "vendor": "fal",
            "operation": "submit",
            "when": {"after_purchases": 10},
            "effect": broke,
        }
    )
    stopped = place.generate("--max-in-flight", "4")
    assert (stopped.code, stopped.rows) == (3, {"done": 12, "blocked": 4}), stopped
    assert place.counts().accepted("fal") == 10
    assert place.counts().faults["broke"] <= 4
    blocked = [line for line in place.catalogue() if line["state"] == "blocked"]
    assert {(one["error_class"], one["attempts"]) for one in blocked} == {("AccountBlocked", 0)}
    assert all("Exhausted balance" in one["error_message"] for one in blocked)
    status = place.status()
    assert (status.code, status.rows) == (3, stopped.rows), status
    asked = place.requests("submit")
    still = place.generate()
    assert (still.code, still.rows) == (3, stopped.rows), still
    assert place.counts().accepted("fal") == 10
    assert place.requests("submit") <= asked + 4

    place.sandbox.faults.clear()
    lifted = place.generate()
    assert (lifted.code, lifted.rows, lifted.told["bought"]) == (0, {"done": 16}, 4), lifted
    assert place.counts().accepted("fal") == 14
    assert place.counts().bought_twice() == ()
