"""Transactions: one function in, committed or not at all, tried again where that is safe.

SQLite: WAL, synchronous=FULL, and every writing transaction is BEGIN IMMEDIATE through the one
writing connection of this process, so that nothing is read that another writer is about to change.
PostgreSQL: READ COMMITTED with row locks, on the server's own clock, because the clocks of several
machines differ and a lease is only worth something if all of them measure it with one.

A function that is handed to `write` may be run several times and must therefore do nothing but
speak to the transaction that it is given.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from omnihuman_blocks.edges.ledger import engines, failures
from omnihuman_blocks.edges.ledger.address import Address
from omnihuman_blocks.edges.ledger.owner import Owner, this_process
from omnihuman_blocks.edges.ledger.schema import owners

T = TypeVar("T")

FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5


class Transaction:
    """One transaction. `again`: an earlier try of it may have been committed unseen."""

    def __init__(self, connection: sa.Connection, owner: Owner, *, mark: str, again: bool) -> None:
        self.connection = connection
        self.owner = owner
        self.mark = mark
        self.again = again
        self.on_server = connection.dialect.name == "postgresql"

    @cached_property
    def now(self) -> datetime:
        """The one clock of this ledger: the server's, or this machine's for a file."""
        if not self.on_server:
            return datetime.now(UTC)
        moment: datetime = self.connection.execute(sa.select(sa.func.now())).scalar_one()
        return moment.astimezone(UTC)

    def run(self, statement: sa.Executable, values: Any = None) -> sa.CursorResult[Any]:
        """Executes one statement, or one for each of several sets of values."""
        result = self.connection.execute(statement, values)
        assert isinstance(result, sa.CursorResult)  # noqa: S101 - Core on a cursor gives no other
        return result

    def insert_numbered(self, table: sa.Table, **values: Any) -> int:
        """Inserts a row of a table that numbers its rows; the number."""
        key = self.run(sa.insert(table), values).inserted_primary_key
        assert key is not None  # noqa: S101 - one row was inserted
        return int(key[0])

    def insert_missing(self, table: sa.Table, values: Any) -> bool:
        """Inserts a row unless it is there already; whether it was inserted."""
        return self.run(_missing(table, on_server=self.on_server), values).rowcount == 1

    def upsert(self, table: sa.Table, values: Any) -> None:
        """Inserts, or takes the place of the row with the same key."""
        self.run(_replacing(table, on_server=self.on_server), values)


# Putting a statement together costs more than running it, and these never differ.


@cache
def _missing(table: sa.Table, *, on_server: bool) -> sa.Executable:
    insert = postgresql.insert if on_server else sqlite.insert
    missing = insert(table).on_conflict_do_nothing()
    return missing.execution_options(preserve_rowcount=True)  # else not for insertions


@cache
def _replacing(table: sa.Table, *, on_server: bool) -> sa.Executable:
    keys = [column.name for column in table.primary_key]
    rest = [column.name for column in table.columns if not column.primary_key]
    insert = postgresql.insert(table) if on_server else sqlite.insert(table)
    new = {name: insert.excluded[name] for name in rest}
    return insert.on_conflict_do_update(index_elements=keys, set_=new)


class Store:
    """The database behind a ledger. Safe to use from several threads, not across a fork."""

    def __init__(self, address: Address, *, patience: float) -> None:
        self.address = address
        self.owner = this_process()
        self._patience = patience
        self._is_open = False
        self._place: tuple[int, int] | None = None
        self._enrolled = False
        self._writer, self._reader = engines.connect(address, patience=patience)

    def opened(self) -> None:
        """From now on a server that goes away is waited for, instead of being a wrong address."""
        self._is_open = True
        self._place = self._place_now()

    def check_in_place(self) -> None:
        """Refuses a file that was deleted or replaced since it was opened.

        This process would go on in a file that nobody else sees, beside a new one that knows of no
        purchase. What it has begun it still writes down; nothing may be begun.
        """
        if self._place_now() != self._place:
            raise failures.LedgerUnusable(
                f"The ledger {self.address.shown} was deleted or replaced while it was in use, so "
                "nothing more is bought. Put it back, or run `omnihuman ledger rebuild DIR`, and "
                "run the same command again."
            )

    def _place_now(self) -> tuple[int, int] | None:
        if self.address.file is None:
            return None
        try:
            found = self.address.file.stat()
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Runs a function on one unchanging view of the ledger."""
        return self._persist(self._reader, work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Runs a function in one transaction, which is committed when this returns."""
        result = self._persist(self._writer, self._enrolling(work))
        self._enrolled = True
        return result

    def found(self, work: Callable[[Transaction], T]) -> T:
        """Like `write`, before there are tables to write anything else to."""
        return self._persist(self._writer, work)

    def _enrolling(self, work: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
        """The first thing that a process writes is who it is."""
        if self._enrolled:
            return work

        def enrolled_first(tx: Transaction) -> T:
            tx.insert_missing(owners, {**asdict(self.owner), "seen_at": tx.now})
            return work(tx)

        return enrolled_first

    def _persist(self, engine: sa.Engine, work: Callable[[Transaction], T]) -> T:
        """Tries until it is committed, a person is needed, or patience ends."""
        self._check_process()
        mark, again, pause = secrets.token_hex(8), False, FIRST_PAUSE
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with engine.connect() as connection, connection.begin():
                    return work(Transaction(connection, self.owner, mark=mark, again=again))
            except (DBAPIError, PoolTimeout) as error:
                kind = failures.kind_of(error)
                if self._is_hopeless(kind):
                    raise failures.explain(error, self.address) from None
                if time.monotonic() > deadline:
                    raise self._out_of_patience(kind, error) from None
                again = again or kind == "lost"
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _is_hopeless(self, kind: failures.Kind) -> bool:
        return kind == "final" or (kind == "lost" and not self._is_open)

    def _out_of_patience(self, kind: failures.Kind, error: Exception) -> failures.LedgerUnusable:
        if kind == "lost" and isinstance(error, DBAPIError):
            return failures.explain(error, self.address)
        return failures.too_long(self.address, self._patience)

    def _check_process(self) -> None:
        """A forked child would share the parent's connections and pass for it in claims."""
        if os.getpid() != self.owner.pid:
            raise failures.LedgerUnusable(
                f"The ledger {self.address.shown} was opened by process {self.owner.pid}, of which "
                f"this process ({os.getpid()}) is a copy. Open it again here."
            )


class Chapter:
    """A part of what `Ledger` can do; the parts share one store."""

    _store: Store
