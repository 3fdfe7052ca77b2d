"""What an invocation may spend, and what is blocked where that is used up or not known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeAlias

import pytest

Place: TypeAlias = Any
Prefect: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")


def test_a_budget_is_never_exceeded(place: Place, prefect: Prefect) -> None:
    """Six seconds at fal for 0.96 dollars; half of that makes at most three rows."""
    place.add_rows(6, ["fal"])
    place.lay()
    planned = Decimal(place.plan().told["quote_usd"])
    assert planned == Decimal("0.96")
    budget = planned / 2
    some = place.generate("--budget", str(budget))
    assert some.code == 3, some
    assert prefect.last_run()["state_name"] == "Stopped"
    bought = place.counts().accepted()
    assert 0 < bought <= 3
    assert some.rows == {"done": bought, "blocked": 6 - bought}
    assert Decimal(some.told["charged_usd"]) == place.counts().charged_usd() <= budget
    blocked = [one for one in place.catalogue() if one["state"] == "blocked"]
    assert {one["error_class"] for one in blocked} == {"OverBudget"}
    assert all("--budget" in one["error_message"] for one in blocked)

    status = place.status()
    assert (status.code, status.rows) == (3, some.rows), status
    rest = place.generate("--budget", "25")
    assert (rest.code, rest.rows, rest.told["bought"]) == (0, {"done": 6}, 6 - bought), rest
    assert place.counts().accepted() == 6
    assert {one["error_class"] for one in place.catalogue()} == {None}


def test_an_unknown_price_is_not_bought_under_a_budget(place: Place) -> None:
    """Pixazo publishes none: blocked, with the remedy; with a price it goes on."""
    place.add_rows(2, ["fal", "pixazo"])
    place.lay()
    some = place.generate("--budget", "100")
    assert (some.code, some.rows) == (3, {"done": 2, "blocked": 2}), some
    assert place.counts().accepted("pixazo") == 0
    blocked = [one for one in place.catalogue() if one["state"] == "blocked"]
    assert {(one["provider"], one["error_class"]) for one in blocked} == {("pixazo", "OverBudget")}
    assert all("--price pixazo=" in one["error_message"] for one in blocked)

    rest = place.generate("--budget", "100", "--price", "pixazo=0.11")
    assert (rest.code, rest.rows, rest.told["bought"]) == (0, {"done": 4}, 2), rest
    assert (rest.told["unpriced"], rest.told["quote_usd"]) == (0, "0.220000")
    priced = [one for one in place.catalogue() if one["provider"] == "pixazo"]
    assert {(one["cost_usd"], one["cost_basis"]) for one in priced} == {
        (Decimal("0.11"), "duration")
    }
