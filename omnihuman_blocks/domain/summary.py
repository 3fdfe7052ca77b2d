"""Tallies of rows -> counts by state, the exit code, and tables that people can read.

A tally counts rows that are alike in what a summary asks about, so that a million rows that were
never made into objects are summed up like ten that were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from omnihuman_blocks.domain.outcome import RowState
from omnihuman_blocks.domain.planned import Plan, Verdict
from omnihuman_blocks.domain.pricing import Price
from omnihuman_blocks.domain.rejecting import to_mend
from omnihuman_blocks.domain.wire import Record

EXIT_DONE = 0
EXIT_ROWS_FAILED = 1
EXIT_CANNOT_START = 2
EXIT_STOPPED = 3
EXIT_IN_DOUBT = 4

SHOWN_STATES = (
    RowState.PLANNED,
    RowState.DONE,
    RowState.FAILED,
    RowState.REJECTED,
    RowState.IN_DOUBT,
    RowState.BLOCKED,
    RowState.PENDING,
)
NONE = "(none)"
CENT = Decimal("0.01")


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Rows alike in state, locale and vendor, counted together."""

    state: RowState
    locale: str | None = None
    provider: str | None = None
    rows: int = 1
    video_seconds: Decimal = Decimal(0)
    cost_usd: Decimal = Decimal(0)
    unknown_costs: int = 0
    """Rows of which nobody knows yet what they cost."""


@dataclass(frozen=True, kw_only=True)
class VendorQuote:
    """What would be bought of one vendor's model at one price."""

    provider: str
    model: str
    price: Price | None
    jobs: int
    seconds: Decimal
    usd: Decimal | None
    bound: Decimal | None
    """What is reserved while it is on its way."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One invocation, or one results folder, in numbers."""

    rows: Mapping[RowState, int]
    jobs: int
    bought: int = 0
    reused: int = 0
    quote_usd: Decimal = Decimal(0)
    unpriced: int = 0
    charged_usd: Decimal = Decimal(0)
    results: str = ""
    tallies: Sequence[Tally] = field(default=(), repr=False)

    def as_json(self) -> Record:
        """The object that `--json` prints. Money is a text, so that no reader rounds it."""
        return {
            "rows": {state.value: self.rows.get(state, 0) for state in SHOWN_STATES},
            "jobs": self.jobs,
            "bought": self.bought,
            "reused": self.reused,
            "quote_usd": dollars(self.quote_usd),
            "unpriced": self.unpriced,
            "charged_usd": dollars(self.charged_usd),
            "results": self.results,
        }


def count_rows(tallies: Iterable[Tally]) -> dict[RowState, int]:
    """How many rows stand where."""
    counts: Counter[RowState] = Counter()
    for tally in tallies:
        counts[tally.state] += tally.rows
    return {state: counts[state] for state in SHOWN_STATES}


def charged(tallies: Iterable[Tally]) -> Decimal:
    """All charges that are known."""
    return sum((tally.cost_usd for tally in tallies), Decimal(0))


def exit_code(rows: Mapping[RowState, int], *, planning: bool = False) -> int:
    """The first that applies of 4, 3, 1, 0. What could not start (2) has no rows to judge.

    While planning, rows that would be bought or are on their way stand in nobody's way.
    """
    waiting = () if planning else (RowState.PLANNED, RowState.PENDING)
    if rows.get(RowState.IN_DOUBT):
        return EXIT_IN_DOUBT
    if any(rows.get(state) for state in (RowState.BLOCKED, *waiting)):
        return EXIT_STOPPED
    if rows.get(RowState.FAILED) or rows.get(RowState.REJECTED):
        return EXIT_ROWS_FAILED
    return EXIT_DONE


# --- a plan -----------------------------------------------------------------------------------

VERDICT_STATES = {
    Verdict.NEW: RowState.PLANNED,
    Verdict.DONE: RowState.DONE,
    Verdict.WAITING: RowState.PENDING,
    Verdict.IN_DOUBT: RowState.IN_DOUBT,
    Verdict.FAILED: RowState.FAILED,
    Verdict.REJECTED: RowState.REJECTED,
}


def summarise_plan(plan: Plan, *, results: str = "", kept_jobs: int | None = None) -> Summary:
    """What a plan would do. `kept_jobs` is how many jobs the rows have that were not looked at."""
    counts = Counter(VERDICT_STATES[row.verdict] for row in plan.rows)
    counts[RowState.DONE] += plan.kept
    to_buy = plan.to_buy()
    return Summary(
        rows=counts,
        jobs=len(plan.jobs) + (plan.kept if kept_jobs is None else kept_jobs),
        reused=counts[RowState.DONE],
        quote_usd=sum((part.quote or Decimal(0) for part in to_buy), Decimal(0)),
        unpriced=sum(row.verdict is Verdict.NEW and row.quote is None for row in plan.rows),
        results=results,
    )


def vendor_quotes(plan: Plan) -> tuple[VendorQuote, ...]:
    """What would be bought, by vendor, model and price."""
    found: dict[tuple[str, str, Price | None], list[tuple[Decimal, Decimal, Decimal]]] = {}
    for part in plan.to_buy():
        amounts = (part.seconds, part.quote or Decimal(0), part.bound or Decimal(0))
        found.setdefault((part.job.provider, part.job.model, part.price), []).append(amounts)
    return tuple(
        VendorQuote(
            provider=provider,
            model=model,
            price=price,
            jobs=len(amounts),
            seconds=sum((one[0] for one in amounts), Decimal(0)),
            usd=None if price is None else sum((one[1] for one in amounts), Decimal(0)),
            bound=None if price is None else sum((one[2] for one in amounts), Decimal(0)),
        )
        for (provider, model, price), amounts in sorted(found.items(), key=lambda item: item[0][:2])
    )


def plan_text(plan: Plan, *, most_rejections: int = 20) -> str:
    """A plan for people: verdicts, what would be bought where and for how much, what is wrong."""
    counts = Counter(row.verdict for row in plan.rows)
    counts[Verdict.DONE] += plan.kept
    shown = [verdict for verdict in Verdict if counts[verdict]]
    lines = _table(
        [("rows", "verdict"), *((f"{counts[verdict]:,}", verdict.value) for verdict in shown)]
    )
    quotes = vendor_quotes(plan)
    if quotes:
        header = (
            "vendor",
            "model",
            "videos",
            "seconds",
            "$ per second",
            "as of",
            "quote",
            "at most",
        )
        lines += ["", *_table([header, *(_quote_cells(quote) for quote in quotes)])]
    lines += _rejection_lines(plan, most_rejections)
    lines += _note_lines(plan)
    return "\n".join(lines)


def _quote_cells(quote: VendorQuote) -> tuple[str, ...]:
    price = quote.price
    return (
        quote.provider,
        quote.model,
        f"{quote.jobs:,}",
        f"{quote.seconds:,.1f}",
        "unknown" if price is None else f"{price.usd_per_second.normalize():f}",
        "" if price is None else price.as_of.isoformat(),
        "unknown" if quote.usd is None else f"${quote.usd:,.2f}",
        "unknown" if quote.bound is None else f"${quote.bound:,.2f}",
    )


def _rejection_lines(plan: Plan, most: int) -> list[str]:
    lines = rejection_lines(plan, most=most)
    return ["", "Rejected:", *(f"  {line}" for line in lines)] if lines else []


def rejection_lines(plan: Plan, *, most: int) -> list[str]:
    """Each cell to mend once, in the order of the tables, with how many rows wait for it."""
    mends = to_mend(plan.rejections)
    lines = [
        f"{mend.rejection.where}: {mend.rejection.message}"
        + (f" ({mend.rows:,} rows)" if mend.rows > 1 else "")
        for mend in mends[:most]
    ]
    left = len(mends) - most
    return [*lines, f"… and {left:,} more; `rejections.parquet` has all."] if left > 0 else lines


def _note_lines(plan: Plan) -> list[str]:
    wishes = Counter((row.provider, name) for row in plan.rows for name in row.ignored)
    lines = [
        f"{provider} does not take `{name}`: ignored in {count:,} rows."
        for (provider, name), count in _most_first(wishes)
    ]
    notes = Counter(note for row in plan.rows for note in row.notes)
    lines += [f"{note} ({count:,} rows)" for note, count in notes.most_common(10)]
    return ["", *lines] if lines else []


def _most_first(
    wishes: Counter[tuple[str | None, str]],
) -> list[tuple[tuple[str | None, str], int]]:
    """Most frequent first, then by name."""
    return sorted(wishes.items(), key=lambda item: (-item[1], str(item[0])))


# --- what has become of it --------------------------------------------------------------------


def markdown(summary: Summary) -> str:
    """The summary as Markdown: states, money, and the cost by locale and vendor."""
    states = [(state.value, f"{summary.rows.get(state, 0):,}") for state in SHOWN_STATES]
    shown = [line for line in states if line[1] != "0"]
    parts = [
        "# Catalogue",
        _markdown_table(("state", "rows"), shown),
        _money_sentence(summary),
    ]
    spent = _by_locale_and_vendor(summary.tallies)
    if spent:
        header = ("locale", "vendor", "rows", "done", "seconds", "cost", "cost unknown")
        parts += ["## Cost by locale and vendor", _markdown_table(header, spent)]
    return "\n\n".join(parts) + "\n"


def _money_sentence(summary: Summary) -> str:
    return (
        f"{summary.jobs:,} videos, {summary.bought:,} bought now, {summary.reused:,} rows reused; "
        f"{_money_words(summary)}."
    )


def _money_words(summary: Summary) -> str:
    unknown = sum(tally.unknown_costs for tally in summary.tallies)
    told = f"${_cents(summary.charged_usd)} charged"
    if not unknown:
        return told
    rows = f"rows of unknown cost: {unknown:,}"
    return f"{told}; {rows}" if summary.charged_usd else rows


def _by_locale_and_vendor(tallies: Sequence[Tally]) -> list[tuple[str, ...]]:
    groups: dict[tuple[str, str], list[Tally]] = {}
    for tally in tallies:
        groups.setdefault((tally.locale or NONE, tally.provider or NONE), []).append(tally)
    return [
        (
            locale,
            vendor,
            f"{sum(one.rows for one in group):,}",
            f"{sum(one.rows for one in group if one.state is RowState.DONE):,}",
            f"{sum((one.video_seconds for one in group), Decimal(0)):,.1f}",
            _cost(group),
            f"{sum(one.unknown_costs for one in group):,}",
        )
        for (locale, vendor), group in sorted(groups.items())
    ]


def _cost(group: Sequence[Tally]) -> str:
    """What is known of it; an unknown cost is unknown, never 0."""
    known = charged(group)
    is_unknown = any(one.unknown_costs for one in group)
    if not known and is_unknown:
        return "unknown"
    return f"${_cents(known)}" + (" and more" if is_unknown else "")


def dollars(amount: Decimal) -> str:
    """Money as a plain decimal text, without an exponent."""
    return f"{amount:f}"


def _cents(amount: Decimal) -> str:
    return f"{amount.quantize(CENT):,}"


def _markdown_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
