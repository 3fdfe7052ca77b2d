"""Who of several processes is at work on a catalogue, and whose turn it is to write it.

Locks of the operating system beside a ledger's file, advisory locks of the session on PostgreSQL:
both are gone when their process is, so nobody ever waits for the dead and nothing has to expire.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, ResourceClosedError

from omnihuman_blocks.edges.ledger import failures
from omnihuman_blocks.edges.ledger.store import Chapter
from omnihuman_blocks.errors import CannotStart

Kind = Literal["turn", "work"]


class Presence(Protocol):
    """A process that is at work."""

    def leave(self) -> None:
        """It is not any more. May be said twice."""
        ...


class Turn(Protocol):
    """The right to write, which one process at a time has."""

    def is_alone(self) -> bool:
        """Whether nobody is at work."""
        ...


class Turns(Chapter):
    """For processes that share a ledger and a results folder, named in the same words by all."""

    def at_work(self, place: str) -> Presence:
        """From now on others see that somebody works on this place."""
        return self._hold(place, "work", shared=True)

    @contextmanager
    def turn(self, place: str) -> Iterator[Turn]:
        """Waits until nobody else has it."""
        held = self._hold(place, "turn", shared=False)
        try:
            yield held
        finally:
            held.leave()

    def _hold(self, place: str, kind: Kind, *, shared: bool) -> _FileLock | _SessionLock:
        digest = sha256(f"omnihuman {place}".encode()).digest()
        file = self._store.address.file
        if file is not None:
            return _FileLock(file, digest.hex()[:12], kind, shared=shared)
        try:
            return _SessionLock(self._store._writer, digest, kind, shared=shared)  # noqa: SLF001 - a chapter of it
        except DBAPIError as error:
            raise failures.explain(error, self._store.address) from None


class _FileLock:
    """Beside the ledger's file, which lies on a disk of this machine."""

    def __init__(self, ledger: Path, name: str, kind: Kind, *, shared: bool) -> None:
        try:
            import fcntl  # noqa: PLC0415 - not on every system
        except ImportError:  # pragma: no cover - Windows
            raise CannotStart(
                "On this system several processes cannot take turns at a ledger's file. Name a "
                "PostgreSQL ledger: --ledger postgresql://…"
            ) from None
        self._locks = fcntl
        self._stem = ledger.with_name(f".{ledger.name}.{name}")
        self._handle: int | None = self._open(kind)
        fcntl.flock(self._handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def is_alone(self) -> bool:
        handle = self._open("work")
        try:
            self._locks.flock(handle, self._locks.LOCK_EX | self._locks.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(handle)

    def leave(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self, kind: Kind) -> int:
        return os.open(f"{self._stem}.{kind}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


class _SessionLock:
    """A session of its own, in no transaction: the locks last as long as the connection does."""

    def __init__(self, engine: sa.Engine, digest: bytes, kind: Kind, *, shared: bool) -> None:
        first = int.from_bytes(digest[:7], "big") << 1
        self._numbers: dict[Kind, int] = {"turn": first, "work": first + 1}
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.detach()  # closed afterwards, never handed to somebody else
        word = "pg_advisory_lock_shared" if shared else "pg_advisory_lock"
        try:
            # Whoever concludes a large catalogue takes his time.
            self._connection.exec_driver_sql("SET lock_timeout TO 0")
            self._ask(word, kind)
        except BaseException:
            self.leave()
            raise

    def is_alone(self) -> bool:
        if not self._ask("pg_try_advisory_lock", "work"):
            return False
        self._ask("pg_advisory_unlock", "work")
        return True

    def leave(self) -> None:
        with suppress(DBAPIError, ResourceClosedError):  # a connection that was lost has let go
            # The server only notices a while later that a session has ended.
            self._connection.execute(sa.select(sa.func.pg_advisory_unlock_all()))
        self._connection.close()

    def _ask(self, function: str, kind: Kind) -> bool:
        asked = sa.select(getattr(sa.func, function)(self._numbers[kind]))
        return bool(self._connection.execute(asked).scalar())
