"""What was aimed at, beside what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Found = dict[str, Any]
AT_FAL, AT_RUNWARE, FLOOR = "ours at fal", "ours at Runware", "floor"
FEW, MANY = 100, 1000


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure, and the most that it may be."""

    what: str
    most: float
    unit: str
    find: Callable[[Found], float]
    """KeyError where it was not measured."""


def rows(found: Found) -> Iterator[tuple[str, str, str, str]]:
    """Target by target: what, at most, found, and whether it is met."""
    for target in TARGETS:
        aimed = f"{target.most:g} {target.unit}".strip()
        try:
            value = target.find(found)
        except KeyError:
            yield target.what, aimed, "not measured", ""
        else:
            met = "met" if value <= target.most else "missed"
            yield target.what, aimed, f"{value:.3g} {target.unit}".strip(), met


def _heat(found: Found, label: str, jobs: int) -> Found:
    one: Found = found["race"][f"{label}|{jobs}|no cap"]
    return one


def _to_floor(label: str, jobs: int, floor: str = FLOOR) -> Callable[[Found], float]:
    def find(found: Found) -> float:
        ours, theirs = _heat(found, label, jobs), _heat(found, floor, jobs)
        return float(ours["wall_seconds"] / theirs["wall_seconds"])

    return find


def _of(label: str, jobs: int, measure: str) -> Callable[[Found], float]:
    return lambda found: float(_heat(found, label, jobs)[measure])


def _delay(found: Found) -> float:
    one = _heat(found, AT_FAL, FEW)
    return float(100 * one["delay_seconds"] / one["generation_seconds"])


def _waiting_requests(found: Found) -> float:
    """All HTTP requests but the purchase and the download of each video."""
    return float(_heat(found, AT_RUNWARE, MANY)["requests_per_video"]) - 2


def _memory(found: Found) -> float:
    few, many = (_heat(found, AT_RUNWARE, jobs)["peak_mb"] for jobs in (FEW, MANY))
    return float(1024 * (many - few) / (MANY - FEW))


def _large(measure: str) -> Callable[[Found], float]:
    return lambda found: float(found["rows"]["rows"]["runs"]["10000"][measure])


def _flat(found: Found) -> float:
    runs = found["rows"]["rows"]["runs"]
    return float(runs["10000"]["peak_mb"] / runs["1000"]["peak_mb"])


def _plan(table: str, *path: str) -> Callable[[Found], float]:
    def find(found: Found) -> float:
        one = found["plan"]["rows"][table]
        if one["rows"] != 1_000_000:
            raise KeyError(table)
        for name in path:
            one = one[name]
        return float(one)

    return find


def _pick_up(found: Found) -> float:
    one = found["restart"]["killed"]
    if one["jobs"] != MANY:
        raise KeyError(MANY)
    return float(one["pick_up_seconds"])


TARGETS = (
    Target(what="wall to floor, 100 jobs", most=1.10, unit="", find=_to_floor(AT_FAL, FEW)),
    Target(
        what="wall to floor, 1,000 jobs, at Runware",
        most=1.15,
        unit="",
        find=_to_floor(AT_RUNWARE, MANY),
    ),
    Target(
        what="wall to the floor that decodes, 1,000 jobs, at Runware",
        most=1.15,
        unit="",
        find=_to_floor(AT_RUNWARE, MANY, "floor, decoding"),
    ),
    Target(what="delay of generation time, 100 jobs at fal", most=2, unit="%", find=_delay),
    Target(
        what="requests per video, 100 jobs at fal",
        most=15,
        unit="",
        find=_of(AT_FAL, FEW, "requests_per_video"),
    ),
    Target(
        what="requests per video for waiting, 1,000 jobs at Runware",
        most=1,
        unit="",
        find=_waiting_requests,
    ),
    Target(
        what="client CPU per row without media, 10,000 rows",
        most=10,
        unit="ms",
        find=_large("cpu_ms_per_row"),
    ),
    Target(what="client memory per row in flight", most=60, unit="KB", find=_memory),
    Target(what="memory of 10,000 rows to that of 1,000", most=1.1, unit="", find=_flat),
    Target(
        what="Prefect server CPU per row, 10,000 rows",
        most=1,
        unit="ms",
        find=_large("server_ms_per_row"),
    ),
    Target(
        what="planning 1,000,000 rows, 99% done",
        most=10,
        unit="s",
        find=_plan("99% done", "seconds", "planned"),
    ),
    Target(
        what="memory of that",
        most=1536,
        unit="MB",
        find=_plan("99% done", "planned_peak_mb"),
    ),
    Target(
        what="planning 1,000,000 rows, all done",
        most=10,
        unit="s",
        find=_plan("all done", "seconds", "planned"),
    ),
    Target(what="picking up 1,000 tickets after a kill", most=3, unit="s", find=_pick_up),
    Target(
        what="first purchase, running Prefect server",
        most=5,
        unit="s",
        find=lambda found: float(found["start"]["one row"]["running"]),
    ),
    Target(
        what="first purchase, temporary Prefect server",
        most=12,
        unit="s",
        find=lambda found: float(found["start"]["one row"]["temporary"]),
    ),
)
