"""Counts that add up, an exit code that can be relied on, tables that can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import JobOutcome, RowState
from omnihuman_blocks.domain.planned import Plan
from omnihuman_blocks.domain.planning import judge
from omnihuman_blocks.domain.rejecting import to_mend
from omnihuman_blocks.domain.row import RejectedRow, Rejection
from omnihuman_blocks.domain.summary import (
    Summary,
    Tally,
    charged,
    count_rows,
    exit_code,
    markdown,
    plan_text,
    rejection_lines,
    summarise_plan,
    vendor_quotes,
)
from omnihuman_blocks.errors import InvalidRow

Make = Callable[..., Any]
BAD = Rejection(table="scripts", number=4, column="locale", reason="No tag.", remedy="Write one.")


def expected_code(states: set[RowState], *, planning: bool) -> int:
    """The contract, word for word."""
    if RowState.IN_DOUBT in states:
        return 4
    stopped = (
        {RowState.BLOCKED}
        if planning
        else {
            RowState.BLOCKED,
            RowState.PENDING,
            RowState.PLANNED,
        }
    )
    if stopped & states:
        return 3
    return 1 if {RowState.FAILED, RowState.REJECTED} & states else 0


@pytest.mark.parametrize("planning", [True, False])
def test_the_exit_code_is_the_first_that_applies(*, planning: bool) -> None:
    """For every combination of states that rows can have."""
    for present in product([0, 1], repeat=len(RowState)):
        counts = dict(zip(RowState, present, strict=True))
        states = {state for state, count in counts.items() if count}
        assert exit_code(counts, planning=planning) == expected_code(states, planning=planning)
    assert exit_code({}) == 0


def test_the_counts_of_rows_add_up_to_all_rows() -> None:
    """Every state has its count, and tallies alike are added."""
    tallies = [
        Tally(state=RowState.DONE, rows=990_000, cost_usd=Decimal("1.25")),
        Tally(state=RowState.DONE, locale="de", cost_usd=Decimal("0.75")),
        Tally(state=RowState.FAILED, rows=3, unknown_costs=3),
    ]
    counts = count_rows(tallies)
    assert (counts[RowState.DONE], counts[RowState.FAILED]) == (990_001, 3)
    assert set(counts) == set(RowState)
    assert sum(counts.values()) == 990_004
    assert charged(tallies) == Decimal(2)


def test_the_json_object_has_what_the_contract_names() -> None:
    """Money as a text without an exponent, states by name."""
    summary = Summary(
        rows={RowState.DONE: 2, RowState.IN_DOUBT: 1},
        jobs=3,
        bought=1,
        reused=1,
        quote_usd=Decimal("1E+2"),
        unpriced=4,
        charged_usd=Decimal("0.000001"),
        results="out",
    )
    assert summary.as_json() == {
        "rows": {
            "planned": 0,
            "done": 2,
            "failed": 0,
            "rejected": 0,
            "in_doubt": 1,
            "blocked": 0,
            "pending": 0,
        },
        "jobs": 3,
        "bought": 1,
        "reused": 1,
        "quote_usd": "100",
        "unpriced": 4,
        "charged_usd": "0.000001",
        "results": "out",
    }


@pytest.fixture
def mixed(make_row: Make, make_plan: Make, make_offer: Make, make_media: Make) -> Plan:
    """New, shared, done, waiting, failed, in doubt, rejected and unpriced rows."""
    uri = "/media/long.wav"
    offers = {
        "fal": make_offer(),
        "pixazo": make_offer(provider="pixazo", model="v1-5-290", price=None),
    }
    planned: Plan = make_plan(
        make_row(audio_uri=uri, wishes={"seed": 1}),
        make_row(script_id="again", audio_uri=uri, wishes={"seed": 2}),
        *(make_row(script_id=f"s{take}", variant=take) for take in range(2, 7)),
        make_row(script_id="cheap", provider="pixazo"),
        RejectedRow(place=8, rejections=(BAD,)),
        RejectedRow(place=9, rejections=(BAD,)),
        offers=offers,
        media={(MediaKind.AUDIO, uri): make_media(MediaKind.AUDIO, uri, seconds=Decimal("20.5"))},
    )
    keys = list(planned.jobs)[1:6]
    stages = [Stage.DONE, Stage.ACCEPTED, Stage.FAILED, Stage.IN_DOUBT, Stage.OPEN]
    known = {key: JobOutcome(stage=stage) for key, stage in zip(keys, stages, strict=True)}
    return replace(judge(planned, known), kept=1000)


def test_a_plans_summary_counts_every_row_and_quotes_only_what_would_be_bought(
    mixed: Plan,
) -> None:
    """Rows that were not looked at are done; what has no price is counted, not guessed."""
    summary = summarise_plan(mixed, results="out")
    assert {state: count for state, count in summary.rows.items() if count} == {
        RowState.PLANNED: 4,
        RowState.DONE: 1001,
        RowState.PENDING: 1,
        RowState.FAILED: 1,
        RowState.IN_DOUBT: 1,
        RowState.REJECTED: 2,
    }
    assert sum(summary.rows.values()) == len(mixed.rows) + 1000
    assert (summary.jobs, summary.reused, summary.unpriced) == (1007, 1001, 1)
    assert summary.quote_usd == Decimal("3.28") + Decimal("1.60")
    assert summarise_plan(mixed, kept_jobs=900).jobs == 907


def test_quotes_are_told_by_vendor_with_their_price(mixed: Plan) -> None:
    """Each job once, however many rows ask for it."""
    fal, pixazo = vendor_quotes(mixed)
    assert (fal.provider, fal.jobs, fal.seconds) == ("fal", 2, Decimal("30.5"))
    assert (fal.usd, fal.bound) == (Decimal("4.88"), Decimal("5.28"))
    assert (pixazo.jobs, pixazo.price, pixazo.usd, pixazo.bound) == (1, None, None, None)


def test_a_plan_can_be_read(mixed: Plan) -> None:
    """Verdicts, dollars with the date of their price, each cell to mend once, ignored wishes."""
    text = plan_text(mixed)
    assert "1,001  done" in text
    assert "2      rejected" in text
    assert "0.16" in text
    assert "2026-09-01" in text
    assert "$4.88" in text
    assert "unknown" in text
    assert text.count("scripts row 4, column `locale`: No tag. Write one. (2 rows)") == 1
    assert "fal does not take `seed`: ignored in 2 rows." in text
    assert "looks worse. (2 rows)" in text
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_a_plan_with_nothing_to_say_says_little(make_row: Make, make_plan: Make) -> None:
    """No empty headings."""
    planned = make_plan(make_row())
    done = judge(planned, {key: JobOutcome(stage=Stage.DONE) for key in planned.jobs})
    assert plan_text(done) == "rows  verdict\n1     done"


def test_a_flood_of_rejections_is_cut(make_plan: Make) -> None:
    """The rest is in the file, and the text says so."""
    rejections = [replace(BAD, number=number) for number in range(30)]
    plan = make_plan(*(RejectedRow(place=i, rejections=(r,)) for i, r in enumerate(rejections)))
    text = plan_text(plan, most_rejections=5)
    assert text.count("No tag.") == 5
    assert "… and 25 more; `rejections.parquet` has all." in text


def test_rejections_are_told_in_the_order_of_the_tables(
    make_row: Make, make_plan: Make, make_media: Make
) -> None:
    """Whoever mends a table goes through it once, whatever the order in which rows met trouble."""
    lost = InvalidRow("`image_uri` is not there.", "image_uri")
    media = {(MediaKind.IMAGE, "/media/anna.png"): lost}
    rows = [
        make_row(script_id=str(number), script_row=number, wishes={"resolution": wish})
        for number, wish in ((7, "8K"), (3, "1080p"), (9, "1080p"))
    ]
    late = replace(BAD, number=5)
    plan = make_plan(*rows, RejectedRow(place=9, rejections=(late,)), media=media)
    mends = to_mend(plan.rejections)
    found = [(mend.rejection.table, mend.rejection.number, mend.rows) for mend in mends]
    assert found == [("scripts", 5, 1), ("avatars", 2, 3), ("options", None, 1)]
    assert [line.partition(":")[0] for line in rejection_lines(plan, most=9)] == [
        "scripts row 5, column `locale`",
        "avatars row 2, column `image_uri`",
        "options, column `resolution`",
    ]


def test_the_markdown_summary_adds_cost_up_by_locale_and_vendor() -> None:
    """Tallies of one locale and vendor are one line, and a name cannot break the table."""
    summary = Summary(
        rows={RowState.DONE: 3, RowState.FAILED: 1},
        jobs=4,
        bought=2,
        charged_usd=Decimal("1234.567"),
        tallies=[
            Tally(
                state=RowState.DONE,
                locale="de",
                provider="fal",
                rows=3,
                video_seconds=Decimal("30.25"),
                cost_usd=Decimal("4.80"),
            ),
            Tally(state=RowState.FAILED, locale="de", provider="fal", unknown_costs=1),
            Tally(state=RowState.REJECTED, provider="a|b\nc"),
        ],
    )
    text = markdown(summary)
    assert "| done | 3 |" in text
    assert "| rejected |" not in text
    assert "4 videos, 2 bought now, 0 rows reused; $1,234.57 charged;" in text
    assert "| de | fal | 4 | 3 | 30.2 | $4.80 and more | 1 |" in text
    assert "| (none) | a\\|b c | 1 | 0 | 0.0 | $0.00 | 0 |" in text


def test_a_summary_without_tallies_has_no_cost_table() -> None:
    """There is nothing to break down."""
    assert "Cost by" not in markdown(Summary(rows={}, jobs=0))


def test_a_cost_that_nobody_knows_is_not_nothing() -> None:
    """Where all costs of a group are unknown it says so, and where some are, that there is more."""
    tallies = (
        Tally(state=RowState.DONE, locale="de", provider="pixazo", rows=2, unknown_costs=2),
        Tally(state=RowState.DONE, locale="fr", provider="pixazo", cost_usd=Decimal("1.5")),
        Tally(state=RowState.FAILED, locale="fr", provider="pixazo", unknown_costs=1),
        Tally(state=RowState.DONE, locale="it", provider="fal", cost_usd=Decimal(2)),
    )
    rows = count_rows(tallies)
    told = markdown(Summary(rows=rows, jobs=5, charged_usd=Decimal("3.5"), tallies=tallies))
    assert "| de | pixazo | 2 | 2 | 0.0 | unknown | 2 |" in told
    assert "| fr | pixazo | 2 | 1 | 0.0 | $1.50 and more | 1 |" in told
    assert "| it | fal | 1 | 1 | 0.0 | $2.00 | 0 |" in told
    assert "$3.50 charged; rows of unknown cost: 3." in told
    only = markdown(Summary(rows=count_rows(tallies[:1]), jobs=2, tallies=tallies[:1]))
    assert "$0.00" not in only
    assert "rows of unknown cost: 2." in only
