"""The whole test run is looked through for keys: what tests print and log, and all their files.

The sandbox's keys are words that stand nowhere else. Whoever finds one in a captured output, a
temporary folder, a ledger, a table or Prefect's database has found a place where a real one would
stand. Runs once, when the session ends, in a few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.sandbox.settings import Settings

LARGEST_FILE = 64 * 1024 * 1024
MEDIA = frozenset({".mp4", ".webm", ".mov", ".wav", ".mp3", ".png", ".jpg", ".jpeg", ".gif"})
"""Made from pixels and sounds; no code of ours writes words into them."""
ALLOWED = "keys-allowed"
"""A folder of this name holds keys on purpose, such as a test's own `.env`."""


def _keys() -> list[str]:
    settings = Settings().model_dump()
    keys = [part["key"] for part in settings.values() if isinstance(part, dict) and "key" in part]
    return [half for key in keys for half in key.split(":")[-1:]]


KEYS = _keys()
PATTERN = re.compile(
    b"|".join(re.escape(key.encode()) for key in KEYS)
    + rb"|(?i:authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|key|basic)\s+[\w.~+/:=-]{16,})"
)


def found_in(content: bytes) -> bytes | None:
    """The words around the first key, with the key itself left out."""
    match = PATTERN.search(content)
    if match is None:
        return None
    return content[max(0, match.start() - 80) : match.start()] + b"<KEY>"


def hunt(folder: Path) -> Iterator[str]:
    """Every file below a folder in which a key stands."""
    for file in folder.rglob("*"):
        if file.suffix in MEDIA or ALLOWED in file.parts or not file.is_file():
            continue
        try:
            found = found_in(_content(file))
        except OSError:
            continue  # somebody's socket, or gone meanwhile
        if found is not None:
            yield f"{file}: {found!r}"


def _content(file: Path) -> bytes:
    """Its bytes; those of a table unpacked."""
    if file.stat().st_size > LARGEST_FILE:
        return b""
    content = file.read_bytes()
    if content[:4] != b"PAR1":
        return content
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError):
        return content  # a test has broken it
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


class Hunt:
    """Listens to every report, and looks into the folders at the end."""

    def __init__(self, config: pytest.Config, folders: Iterable[Path]) -> None:
        self.config = config
        self.folders = list(folders)
        self.found: list[str] = []
        self.is_worker = hasattr(config, "workerinput")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.is_worker:
            return  # it is told again where all reports meet
        for name, text in report.sections:
            found = found_in(text.encode(errors="replace"))
            if found is not None:
                self.found.append(f"{report.nodeid}, {name}: {found!r}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        folders = [*self.folders]
        if not self.is_worker:  # the workers' folders lie in this one
            folders.append(self.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
        for folder in folders:
            self.found.extend(hunt(folder))
        if self.is_worker:
            self.config.workeroutput["keys"] = self.found  # type: ignore[attr-defined]
        elif self.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.found.extend(getattr(node, "workeroutput", {}).get("keys", ()))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.found:
            terminalreporter.section("keys found", red=True, bold=True)
            for place in dict.fromkeys(self.found):  # the captured text is in several reports
                terminalreporter.line(place)
