"""What all contestants share: they read what to do, do it, and write down what it took.

    python bench/contestants/NAME.py RACE.json

A contestant gets addresses of media and vendor, buys every job, fetches every video to its folder
and says when the last one was there. What the vendor saw is counted by the sandbox.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAL_MODEL = "fal-ai/bytedance/omnihuman/v1.5"
RUNWARE_MODEL = "bytedance:5@2"


@dataclass
class Race:
    """One run of one contestant."""

    jobs: list[dict[str, str]]
    cap: int | None
    """Jobs out at once; None: all of them."""
    out: Path
    report: Path
    environment: dict[str, str]
    options: dict[str, Any]
    _began: float = field(default_factory=time.process_time)

    @classmethod
    def read(cls) -> Race:
        """From the file that the command line names; the clock of the processor starts here."""
        told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
        return cls(
            jobs=told["jobs"],
            cap=told["cap"],
            out=Path(told["out"]),
            report=Path(told["report"]),
            environment=told["environment"],
            options=told["options"],
        )

    @property
    def at_once(self) -> int:
        return self.cap or len(self.jobs)

    @property
    def poll_seconds(self) -> float:
        """What a careful loop takes: every second, or less often where that would be a flood."""
        return max(1.0, self.at_once / 500)

    def ended(self, at: float | None = None, **more: Any) -> None:
        """Writes down when the last video was there, and what it took of this machine."""
        told = {
            "ended": at or time.time(),
            "cpu_seconds": time.process_time() - self._began,
            "peak_mb": peak_mb(),
            **more,
        }
        self.report.write_text(json.dumps(told), encoding="utf-8")

    def fal_input(self, job: dict[str, str]) -> dict[str, str]:
        """The body of a purchase at fal."""
        media = {"image_url": job["image"], "audio_url": job["audio"]}
        return {**media, "prompt": job["prompt"], "resolution": "720p"}


def peak_mb() -> float:
    """The most memory that this program had; what getrusage says begins with its parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def decode(file: Path) -> None:
    """Every frame of every stream, and nothing else: what looking into a file costs at least."""
    import av  # noqa: PLC0415 - only the second floor decodes

    for kind in ("video", "audio"):
        with av.open(file) as film:
            for _ in film.decode(**{kind: 0}):
                pass
