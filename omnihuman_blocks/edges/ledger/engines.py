"""An address in, two engines out: one that writes and one that reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from omnihuman_blocks.edges.ledger.address import Address, sqlite_url
from omnihuman_blocks.errors import CannotStart

SCHEMA = "omnihuman"
"""On a server the tables live in a schema of their own: a database is often shared, and other
programs (Prefect is one) have tables called `events`, too."""
READERS = 4
ONE_WAIT = 5.0
"""Seconds that SQLite itself waits for another writer before the store tries again."""

# A process that is stopped in the middle of a transaction must not hold its row locks for ever.
SESSION = """
SET synchronous_commit TO on;
SET lock_timeout TO '10s';
SET idle_in_transaction_session_timeout TO '30s'
"""
PATIENT_SOCKETS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,
    "application_name": "omnihuman",
}


def connect(address: Address, *, patience: float) -> tuple[sa.Engine, sa.Engine]:
    """A writing and a reading engine. Nothing is opened yet."""
    if address.file is not None:
        return _sqlite(address.file, patience)
    assert address.server is not None  # noqa: S101 - an address is one or the other
    return _postgres(address.server)


def _sqlite(file: Path, patience: float) -> tuple[sa.Engine, sa.Engine]:
    def engine(*, size: int, begin: str, query_only: bool) -> sa.Engine:
        made = sa.create_engine(
            sqlite_url(file),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=patience,
            hide_parameters=True,
            connect_args={"timeout": min(ONE_WAIT, patience), "check_same_thread": False},
        )

        def prepare(connection: Any, _: ConnectionPoolEntry) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves
            _prepare_file(connection, file, query_only=query_only)

        sa.event.listen(made, "connect", prepare)
        sa.event.listen(made, "begin", lambda connection: connection.exec_driver_sql(begin))
        return made

    writer = engine(size=1, begin="BEGIN IMMEDIATE", query_only=False)
    return writer, engine(size=READERS, begin="BEGIN", query_only=True)


def _prepare_file(connection: Any, file: Path, *, query_only: bool) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise CannotStart(
            f"The folder of {file} cannot hold a ledger safely (its file system gives SQLite no "
            "write-ahead log). Name a file on a local disk, or a PostgreSQL database."
        )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")  # on macOS the disk would else keep it to itself
    connection.execute("PRAGMA foreign_keys=ON")
    if query_only:
        connection.execute("PRAGMA query_only=ON")


def _postgres(url: sa.URL) -> tuple[sa.Engine, sa.Engine]:
    try:
        engine = sa.create_engine(
            url,
            pool_size=5,
            max_overflow=5,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            connect_args={k: v for k, v in PATIENT_SOCKETS.items() if k not in url.query},
        )
    except ImportError:
        raise CannotStart(
            "A ledger on PostgreSQL needs its driver: pip install 'prefect-omnihuman[postgres]'"
        ) from None
    sa.event.listen(engine, "connect", _prepare_session)
    here = engine.execution_options(schema_translate_map={None: SCHEMA})
    one_view = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return here, here.execution_options(**one_view)


def _prepare_session(connection: Any, _: ConnectionPoolEntry) -> None:
    connection.autocommit = True
    connection.execute(SESSION)
    connection.autocommit = False
