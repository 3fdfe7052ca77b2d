"""What was found, as a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import targets

PACKAGES = ("prefect", "httpx", "fal-client", "runware-sdk", "sqlalchemy", "av", "pyarrow")
FLOOR = "floor"

HEAD = """# Results of the measurements

Written by `make bench` (`bench/run.py`); do not edit. What is measured, how, and what the figures
mean: [docs/performance.md](../docs/performance.md).
"""


def machine() -> dict[str, Any]:
    """Where it was measured, and with what."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
        "processor": _processor(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def brief(found: dict[str, Any]) -> str:
    """One line for the terminal."""
    shown = {name: round(value, 2) for name, value in found.items() if isinstance(value, float)}
    return ", ".join(f"{name} {value:g}" for name, value in shown.items()) or "done"


def page(found: dict[str, Any]) -> str:
    """All of it."""
    parts: dict[str, Callable[[dict[str, Any]], str]] = {
        "race": _race,
        "start": _start,
        "rows": _rows,
        "media": _media,
        "ledger": _ledger,
        "restart": _restart,
        "plan": _plan,
    }
    told = [HEAD, _machine(found["machine"]), _targets(found)]
    told += [tell(found[part]) for part, tell in parts.items() if part in found]
    return "\n".join(told)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _machine(told: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in told["packages"].items())
    return (
        f"{told['cores']} cores ({told['processor']}), {told['memory_gb']} GB, {told['system']}, "
        f"Python {told['python']}. {packages}. Sandbox, Prefect server and contestant share the "
        "machine.\n"
    )


def _targets(found: dict[str, Any]) -> str:
    head = ("target", "at most", "found", "")
    return "## Targets\n\n" + _table(head, targets.rows(found))


def _when(found: Iterable[dict[str, Any]]) -> str:
    all_found = list(found)
    first, last = (pick(one["at"] for one in all_found) for pick in (min, max))
    loads = [one["load"] for one in all_found]
    return (
        f"Measured {first[:16].replace('T', ' ')} to {last[11:16]} UTC; load of the machine "
        f"{min(loads):g} to {max(loads):g}.\n"
    )


# --- races --------------------------------------------------------------------------------------


def _race(found: dict[str, Any]) -> str:
    told = ["## Against what people would use instead\n", _when(found.values())]
    groups: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}
    for key, one in found.items():
        label, jobs, cap = key.split("|")
        groups.setdefault((int(jobs), cap), {})[label] = one
    for (jobs, cap), runs in sorted(
        groups.items(), key=lambda group: (group[0][1] != "no cap", group[0][0])
    ):
        told.append(_group(jobs, cap, runs))
    told.append(_growth(found))
    return "\n".join(told)


def _group(jobs: int, cap: str, runs: dict[str, dict[str, Any]]) -> str:
    seconds = next(iter(runs.values()))["seconds"]
    limited = "all out at once" if cap == "no cap" else f"{cap} out at once"
    head = (
        "contestant",
        "wall s",
        "to floor",
        "delay s",
        "delay %",
        "requests",
        "CPU ms",
        "MB",
        "server ms",
    )
    floor = runs.get(FLOOR, {}).get("wall_seconds")
    rows = [
        (
            label,
            f"{one['wall_seconds']:.1f}",
            f"{one['wall_seconds'] / floor:.2f}" if floor else "",
            f"{one['delay_seconds']:.2f}",
            f"{100 * one['delay_seconds'] / seconds:.1f}",
            f"{one['requests_per_video']:.1f}",
            f"{one['cpu_ms_per_row']:.1f}",
            f"{one['peak_mb']:.0f}",
            f"{one['server_ms_per_row']:.1f}" if "server_ms_per_row" in one else "",
        )
        for label, one in runs.items()
    ]
    asked = [(label, *_operations(one)) for label, one in runs.items()]
    return (
        f"### {jobs} jobs, {limited}, {seconds:g} s each\n\n"
        + _table(head, rows)
        + "\nQuestions per video, as the vendor counts them (many may come in one request):\n\n"
        + _table(("contestant", "submit", "status", "result", "download"), asked)
    )


def _operations(one: dict[str, Any]) -> list[str]:
    names = ("submit", "status", "result", "download")
    return [f"{one['requests'].get(name, 0):.2f}" for name in names]


def _growth(found: dict[str, Any]) -> str:
    """What one more row takes, where a contestant ran with two numbers of jobs."""
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    for key, one in found.items():
        label, jobs, cap = key.split("|")
        if cap == "no cap":
            runs.setdefault(label, {})[int(jobs)] = one
    rows = []
    for label, sizes in runs.items():
        few, many = min(sizes), max(sizes)
        if few == many:
            continue
        a, b = sizes[few], sizes[many]
        spent = (b["cpu_ms_per_row"] * many - a["cpu_ms_per_row"] * few) / (many - few)
        memory = 1024 * (b["peak_mb"] - a["peak_mb"]) / (many - few)
        rows.append((label, f"{few} to {many}", f"{spent:.1f}", f"{memory:.0f}"))
    if not rows:
        return ""
    head = ("contestant", "jobs", "CPU ms per further row", "KB per further row in flight")
    return "### What a further row takes of the client\n\n" + _table(head, rows)


# --- the other parts ----------------------------------------------------------------------------


def _start(found: dict[str, Any]) -> str:
    one = found["one row"]
    return (
        "## From the command to the first purchase\n\n"
        + _when([one])
        + "\n"
        + _table(
            ("Prefect server", "seconds"),
            [("running", f"{one['running']:.1f}"), ("temporary", f"{one['temporary']:.1f}")],
        )
    )


def _rows(found: dict[str, Any]) -> str:
    one = found["rows"]
    head = ("rows", "wall s", "rows per s", "CPU ms per row", "server ms per row", "MB")
    rows = [
        (
            size,
            f"{run['wall_seconds']:.1f}",
            f"{run['jobs'] / run['wall_seconds']:.0f}",
            f"{run['cpu_ms_per_row']:.1f}",
            f"{run['server_ms_per_row']:.2f}",
            f"{run['peak_mb']:.0f}",
        )
        for size, run in one["runs"].items()
    ]
    return (
        "## Large tables, without the work on media\n\n"
        + _when([one])
        + f"\nAt Runware, {one['out']} jobs out at once.\n\n"
        + _table(head, rows)
    )


def _media(found: dict[str, Any]) -> str:
    one = found["one video"]
    return (
        "## Looking into one video\n\n"
        + _when([one])
        + f"\nA video of {one['seconds_of_video']:g} s and {one['bytes'] // 1000} kB; processor "
        "time of one thread.\n\n"
        + _table(
            ("", "ms"),
            [
                ("bare decode with PyAV", f"{one['decode_ms']:.1f}"),
                ("all checks", f"{one['checks_ms']:.1f}"),
                ("ratio", f"{one['ratio']:.2f}"),
            ],
        )
    )


def _ledger(found: dict[str, Any]) -> str:
    one = found["rows"]
    rows = [
        (
            kind,
            f"{one[kind]['commits_per_second']:.0f}",
            f"{one[kind]['ms_per_row']:.2f}",
            f"{one[kind]['cpu_ms_per_row']:.2f}",
        )
        for kind in ("SQLite", "PostgreSQL")
    ]
    head = ("ledger", "commits per s", "ms per row", "CPU ms per row")
    told = "\nOne writer; four commits a row (intent, ticket, finished, delivered).\n\n"
    return "## The ledger\n\n" + _when([one]) + told + _table(head, rows)


def _restart(found: dict[str, Any]) -> str:
    one = found["killed"]
    return (
        "## Restart after a kill\n\n"
        + _when([one])
        + f"\n{one['waiting']} tickets were waited for; {one['purchases'] - one['jobs']} were "
        "bought again.\n\n"
        + _table(
            ("", "seconds"),
            [
                ("command to the first ticket", f"{one['start_seconds']:.1f}"),
                ("first ticket to the last", f"{one['pick_up_seconds']:.1f}"),
            ],
        )
    )


def _plan(found: dict[str, Any]) -> str:
    one = found["rows"]
    rows = [
        (
            name,
            f"{one[name]['rows']:,}",
            f"{one[name]['kept']:,}",
            f"{one[name]['seconds']['planned']:.1f}",
            f"{one[name]['processor_seconds']['planned']:.1f}",
            f"{one[name]['planned_peak_mb']:,}",
            f"{one[name]['peak_mb']:,}",
        )
        for name in ("99% done", "all done")
    ]
    head = ("table", "rows", "done", "planned s", "CPU s", "MB", "MB with writing")
    return "## Planning\n\n" + _when([one]) + "\n" + _table(head, rows)
