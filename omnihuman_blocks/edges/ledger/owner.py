"""Who holds a claim: this process, told apart from every other one that ever was.

A process is known by the boot of its machine, its namespaces, its number and the tick at which it
started (counted in the reader's own time namespace). Only where all of these can be read is another
process provably dead; where they cannot (no /proc, another machine, another container), its lease
must run out first.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ENDED = "ZX"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One process that writes. `None` where this platform does not tell."""

    id: str
    host: str
    pid: int
    started: int | None
    boot_id: str | None
    namespaces: str | None

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this_process() -> Owner:
    """This process under a new random name; a ledger opened twice in one process has two."""
    readable = _proc_is_ours()
    return Owner(
        id=secrets.token_hex(8),
        host=socket.gethostname(),
        pid=os.getpid(),
        started=_started(os.getpid())[0] if readable else None,
        boot_id=_boot_id() if readable else None,
        namespaces=_namespaces() if readable else None,
    )


def is_provably_dead(owner: Owner, here: Owner) -> bool:
    """Whether the owner's process is certainly gone: never a guess, so mostly no."""
    if None in (owner.started, owner.boot_id, owner.namespaces):
        return False
    if (owner.host, owner.boot_id, owner.namespaces) != (here.host, here.boot_id, here.namespaces):
        return False
    return _is_gone(owner.pid, owner.started)


def _is_gone(pid: int, started: int | None) -> bool:
    """The kernel's own word comes first: /proc may hide other people's processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there and not ours to touch
    begun, state = _started(pid)
    if begun is None:
        return False
    return begun != started or (state in ENDED and _threads(pid) <= 1)


def _started(pid: int) -> tuple[int | None, str]:
    """Clock ticks from boot to start, and the state: fields 22 and 3 of its stat line."""
    try:
        line = (PROC / str(pid) / "stat").read_text()
        fields = line.rpartition(")")[2].split()  # the name before it may hold anything
        return int(fields[19]), fields[0]
    except (OSError, ValueError, IndexError):
        return None, ""


def _threads(pid: int) -> int:
    """A dead main thread may leave others at work."""
    try:
        return sum(1 for _ in (PROC / str(pid) / "task").iterdir())
    except OSError:
        return 0


def _proc_is_ours() -> bool:
    """A /proc of another namespace numbers other processes."""
    try:
        return (PROC / "self").readlink() == Path(str(os.getpid()))
    except OSError:
        return False


def _boot_id() -> str | None:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip() or None
    except OSError:
        return None


def _namespaces() -> str | None:
    """Kernels before 5.6 know no time namespaces, so there can be only one."""
    try:
        pids = str((PROC / "self/ns/pid").readlink())
    except OSError:
        return None
    try:
        return f"{pids} {(PROC / 'self/ns/time').readlink()}"
    except OSError:
        return pids
