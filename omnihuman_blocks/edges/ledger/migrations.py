"""Brings a ledger to this version's tables, one recorded step after the other.

A new ledger gets today's tables at once. An older one gets every step that it has not had, all in
one transaction. A newer one is refused: an old program would not keep the new one's promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from omnihuman_blocks.edges.ledger.engines import SCHEMA
from omnihuman_blocks.edges.ledger.schema import METADATA, versions
from omnihuman_blocks.edges.ledger.store import Store, Transaction
from omnihuman_blocks.errors import CannotStart

VERSION = 2

Step = Callable[[Transaction], None]


def _keep_what_checks_saw(tx: Transaction) -> None:
    table = f"{SCHEMA}.attempts" if tx.on_server else "attempts"
    tx.run(sa.text(f"ALTER TABLE {table} ADD COLUMN checks TEXT"))


STEPS: Mapping[int, Step] = {2: _keep_what_checks_saw}
"""The step that leads *to* a version. Version 1 is where ledgers begin."""

LOCK = 0x6F6D6E69
"""Who founds or changes a ledger on a server waits for this number."""

# A fact once written is not changed or taken back, whoever is at the keyboard.
FILE_GUARDS = [
    f"""CREATE TRIGGER events_keep_{verb} BEFORE {verb} ON events
    BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END"""
    for verb in ("UPDATE", "DELETE")
]
SERVER_GUARDS = [
    f"""CREATE FUNCTION {SCHEMA}.events_keep() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'events are only ever added'; END $$""",
    f"""CREATE TRIGGER events_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {SCHEMA}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {SCHEMA}.events_keep()""",
]


def bring_up_to_date(
    store: Store,
    *,
    must_exist: bool = False,
    version: int = VERSION,
    steps: Mapping[int, Step] = STEPS,
) -> None:
    """Founds the ledger or brings it to `version`. Safe to do from many processes at once."""
    if store.read(_version) == version:
        return
    store.found(lambda tx: _advance(tx, store.address.shown, version, steps, must_exist=must_exist))


def _advance(
    tx: Transaction, shown: str, version: int, steps: Mapping[int, Step], *, must_exist: bool
) -> None:
    if tx.on_server:
        tx.run(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
    current = _version(tx)
    if current > version:
        raise CannotStart(
            f"The ledger {shown} has version {current}; this program knows versions up to "
            f"{version}. Upgrade it: pip install --upgrade prefect-omnihuman"
        )
    if current == 0:
        _begin(tx, shown, version, must_exist=must_exist)
        return
    for step in range(current + 1, version + 1):
        steps[step](tx)
        _record(tx, step)


def _begin(tx: Transaction, shown: str, version: int, *, must_exist: bool) -> None:
    if must_exist:
        raise missing(shown)
    if tx.on_server:
        _found_schema(tx)
    elif sa.inspect(tx.connection).get_table_names():
        raise CannotStart(
            f"{shown} is a database of something else. Name another file for the ledger."
        )
    METADATA.create_all(tx.connection)
    for guard in SERVER_GUARDS if tx.on_server else FILE_GUARDS:
        tx.run(sa.text(guard))
    _record(tx, version)


def _found_schema(tx: Transaction) -> None:
    """Not `IF NOT EXISTS`, which asks for the right to create even where nothing is missing."""
    if not sa.inspect(tx.connection).has_schema(SCHEMA):
        tx.run(sa.schema.CreateSchema(SCHEMA))


def missing(shown: str) -> CannotStart:
    """What was bought is written there and nowhere else, so none is founded in its place."""
    return CannotStart(
        f"The ledger {shown} is missing, and with it the record of what was bought. Restore it, "
        "name the right one with `--ledger`, or run `omnihuman ledger rebuild DIR`, which enrols "
        "what the catalogue knows."
    )


def _version(tx: Transaction) -> int:
    """The version of a ledger; 0 where there is none."""
    schema = SCHEMA if tx.on_server else None
    if not sa.inspect(tx.connection).has_table(versions.name, schema=schema):
        return 0
    found = tx.run(sa.select(sa.func.max(versions.c.version))).scalar_one()
    return int(found or 0)


def _record(tx: Transaction, version: int) -> None:
    tx.run(sa.insert(versions).values(version=version, applied_at=tx.now))
