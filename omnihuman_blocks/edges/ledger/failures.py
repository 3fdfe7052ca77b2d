"""What a database says when it fails -> what a person can do about it.

The drivers' codes decide, never their words. `Busy` and `Lost` are for the store itself, which
tries again; only `LedgerUnusable` leaves this package's door.
"""

from __future__ import annotations

import sqlite3
from typing import Literal, TypeAlias

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from omnihuman_blocks.edges.ledger.address import Address
from omnihuman_blocks.errors import CannotStart

Kind: TypeAlias = Literal["busy", "lost", "final"]
"""busy: somebody else is writing. lost: the connection broke. final: a person must act."""


class LedgerUnusable(CannotStart):
    """The ledger can be neither trusted nor written now. Nothing may be bought without it."""


SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
SQLITE_WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full. Make room and run the same command again",
    sqlite3.SQLITE_READONLY: (
        "the file or its folder may not be written to. Give this user write access to both (a "
        "ledger keeps a -wal and a -shm file beside itself), or name another place"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened. The folder must exist and let this user create files in it"
    ),
    sqlite3.SQLITE_PERM: "this user may not open the file. Give it access",
    sqlite3.SQLITE_AUTH: "this user may not open the file. Give it access",
    sqlite3.SQLITE_IOERR: (
        "the disk failed while reading or writing. Check the disk and the space on it, then run "
        "the same command again"
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is not a ledger, or it is damaged. Restore it from a copy, or move it away and "
        "run `omnihuman ledger rebuild DIR`, which enrols what the catalogue knows"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged. Restore it from a copy, or move it away and run "
        "`omnihuman ledger rebuild DIR`, which enrols what the catalogue knows"
    ),
}

# Serialization failure, deadlock, lock not available.
POSTGRES_BUSY = {"40001", "40P01", "55P03"}
# Shutting down, crashed, starting up, too many connections: a server that will be back.
POSTGRES_LOST = {"57P01", "57P02", "57P03", "53300"}
POSTGRES_WORDS = {
    "53100": "the server's disk is full. Make room and run the same command again",
    "25006": "the server is a read-only copy. Name the primary server",
    "42501": "this user may not write there. Grant it CREATE on the database, or another user",
    "28P01": "the server refuses this user's password",
    "28000": "the server refuses this user",
    "3D000": "the server has no such database. Create it",
}


def kind_of(error: DBAPIError | PoolTimeout) -> Kind:
    """Whether trying again can help."""
    if isinstance(error, PoolTimeout):
        return "busy"
    sqlite_code = _sqlite_code(error)
    if sqlite_code is not None:
        return "busy" if sqlite_code in SQLITE_BUSY else "final"
    state = _sqlstate(error)
    if state in POSTGRES_BUSY:
        return "busy"
    return "lost" if _is_lost(error, state) else "final"


def explain(error: DBAPIError | PoolTimeout, address: Address) -> LedgerUnusable:
    """The same failure in words that say where it was and what to do."""
    if isinstance(error, PoolTimeout):
        return too_long(address, 0)
    words = SQLITE_WORDS.get(_sqlite_code(error) or 0) or POSTGRES_WORDS.get(_sqlstate(error) or "")
    if words is None and _is_lost(error, _sqlstate(error)):
        words = "the server cannot be reached. Check that it runs and that this machine may connect"
    said = address.without_secrets(" ".join(str(error.orig).split()))
    if words is None:
        return LedgerUnusable(f"The ledger {address.shown} failed: {said}")
    return LedgerUnusable(f"The ledger {address.shown} cannot be used: {words}. ({said})")


def too_long(address: Address, seconds: float) -> LedgerUnusable:
    """Other writers left no gap until the deadline."""
    return LedgerUnusable(
        f"The ledger {address.shown} was kept busy by other writers for {seconds:.0f} s. Look for "
        "a process that holds it open in a transaction (an editor of databases, a backup), end "
        "that, and run the same command again"
    )


def _sqlite_code(error: DBAPIError) -> int | None:
    """The primary code: the low byte of the extended one."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _sqlstate(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _is_lost(error: DBAPIError, state: str | None) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return False
    if state is not None:
        return state in POSTGRES_LOST or state.startswith("08")
    return error.connection_invalidated or type(error.orig).__name__ == "OperationalError"
