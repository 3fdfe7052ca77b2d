"""Opening a ledger: founded once, brought up to date, and refused in words that help."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from omnihuman_blocks.edges.ledger import Intended, Ledger, LedgerUnusable, Wish, mounts
from omnihuman_blocks.edges.ledger.address import understand
from omnihuman_blocks.edges.ledger.migrations import STEPS, VERSION, bring_up_to_date
from omnihuman_blocks.edges.ledger.schema import versions
from omnihuman_blocks.edges.ledger.store import Store, Transaction
from omnihuman_blocks.errors import CannotStart

NOWHERE = "postgresql://mallory:s%65cret-w%C3%B6rd@127.0.0.1:9/ledger?sslpassword=other-secret"
SECRETS = ("mallory", "s%65cret", "secret-w", "other-secret")


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """The database itself, not yet a ledger."""
    opened = Store(understand(address), patience=5)
    yield opened
    opened.close()


def tables(address: str) -> set[str]:
    with Ledger.open(address) as ledger:
        return ledger._store.read(_names)


def _nothing(_: Transaction) -> None: ...


def _names(tx: Transaction) -> set[str]:
    return set(sa.inspect(tx.connection).get_table_names("omnihuman" if tx.on_server else None))


def test_a_ledger_is_founded_once(address: str, make_wish: Callable[..., Wish]) -> None:
    """Opened again, it is the same one, and its version is written in it."""
    wish = make_wish()
    with Ledger.open(address) as first:
        first.intend(wish)
    with Ledger.open(address, must_exist=True) as second:
        assert second.state(wish.submission.job.key) is not None
        assert second._store.read(_versions) == [VERSION]


def _versions(tx: Transaction) -> list[int]:
    return list(tx.run(sa.select(versions.c.version)).scalars())


def test_many_processes_found_one_ledger(address: str, child: Callable[..., Any]) -> None:
    """All at the same moment: one founds it, the others find it."""
    processes = [child("found", address, "") for _ in range(4)]
    for process in processes:
        assert process.says() == "ready"
    for process in processes:
        process.hears()
    assert [process.says() for process in processes] == ["founded"] * 4


def test_a_ledger_that_must_exist_is_not_founded(address: str) -> None:
    """An empty ledger in the place of a lost one would buy everything again."""
    with pytest.raises(CannotStart, match=r"missing.*ledger rebuild"):
        Ledger.open(address, must_exist=True)
    with pytest.raises(CannotStart, match="missing"):
        Ledger.open(address, must_exist=True)
    if "://" not in address:
        assert not Path(address).exists()


def test_an_empty_file_is_not_a_ledger_that_exists(tmp_path: Path) -> None:
    """What a crash at the founding leaves behind holds no purchases, and is founded anew."""
    file = tmp_path / "ledger.db"
    file.touch()
    with pytest.raises(CannotStart, match="missing"):
        Ledger.open(file, must_exist=True)
    Ledger.open(file).close()
    Ledger.open(file, must_exist=True).close()


def test_a_newer_ledger_is_refused(address: str, store: Store) -> None:
    """An older program would not keep a newer one's promises."""
    Ledger.open(address).close()
    bring_up_to_date(store, version=VERSION + 1, steps={VERSION + 1: _nothing})
    with pytest.raises(CannotStart, match=f"version {VERSION + 1}.*pip install --upgrade"):
        Ledger.open(address)


def test_an_older_ledger_gets_every_step_in_order(address: str, store: Store) -> None:
    """Each step once, recorded, and what was written before is still there."""
    Ledger.open(address).close()

    def add_column(tx: Transaction) -> None:
        place = "omnihuman.jobs" if tx.on_server else "jobs"
        tx.run(sa.text(f"ALTER TABLE {place} ADD COLUMN colour TEXT"))

    def fill_column(tx: Transaction) -> None:
        colour: sa.ColumnClause[str] = sa.column("colour")
        jobs = sa.table("jobs", colour, schema=_jobs(tx)[1])
        tx.run(sa.update(jobs).values(colour="blue"))

    steps = {VERSION + 1: add_column, VERSION + 2: fill_column}
    for _ in range(2):
        bring_up_to_date(store, version=VERSION + 2, steps=steps)
    assert store.read(_versions) == [
        VERSION,
        VERSION + 1,
        VERSION + 2,
    ]


def test_a_step_that_fails_changes_nothing(address: str, store: Store) -> None:
    """Half a migration is none: the old program can go on."""
    Ledger.open(address).close()

    def half(tx: Transaction) -> None:
        place = "omnihuman.jobs" if tx.on_server else "jobs"
        tx.run(sa.text(f"ALTER TABLE {place} ADD COLUMN colour TEXT"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bring_up_to_date(store, version=VERSION + 1, steps={VERSION + 1: half})
    assert "jobs" in tables(address)
    columns = store.read(lambda tx: sa.inspect(tx.connection).get_columns(*_jobs(tx)))
    assert "colour" not in {column["name"] for column in columns}


def _jobs(tx: Transaction) -> tuple[str, str | None]:
    return "jobs", "omnihuman" if tx.on_server else None


def test_there_is_a_step_to_every_version() -> None:
    """Whoever raises the version writes the way to it."""
    assert set(STEPS) == set(range(2, VERSION + 1))


def test_events_are_only_ever_added(ledger: Ledger, make_wish: Callable[..., Wish]) -> None:
    """The database itself refuses to change or remove what happened."""
    ledger.intend(make_wish())
    for statement in ("UPDATE {} SET who = 'me'", "DELETE FROM {}"):

        def tamper(tx: Transaction, statement: str = statement) -> None:
            place = "omnihuman.events" if tx.on_server else "events"
            tx.run(sa.text(statement.format(place)))

        with pytest.raises(LedgerUnusable, match="events are only ever added"):
            ledger._store.write(tamper)


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Somebody named the wrong file."""
    file = tmp_path / "photos.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE photos (id)")
    with pytest.raises(CannotStart, match="something else"):
        Ledger.open(file)


@pytest.mark.parametrize(
    "content", [b"not a database at all " * 100, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    """Neither overwritten nor half read."""
    file = tmp_path / "ledger.db"
    file.write_bytes(content)
    with pytest.raises(LedgerUnusable, match=r"ledger\.db.*ledger rebuild"):
        Ledger.open(file)
    assert file.read_bytes() == content


def test_a_full_disk_is_told_and_what_was_written_stays(
    tmp_path: Path, make_wish: Callable[..., Wish]
) -> None:
    """No half intent: the claim is refused, and earlier ones are whole."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        first = ledger.intend(make_wish())
        assert isinstance(first, Intended)
        with ledger._store._writer.begin() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerUnusable, match="disk is full"):
            _fill(ledger, make_wish)
        with ledger._store._writer.begin() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        totals = ledger.totals()
        assert totals.intents == totals.attempts == sum(totals.jobs.values())
        assert totals.reserved_usd == totals.attempts * 3 / 2


def _fill(ledger: Ledger, make_wish: Callable[..., Wish]) -> None:
    for _ in range(50):
        ledger.intend(make_wish(body={"prompt": "x" * 5000}))


READ_ONLY = """
import os, sys
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.errors import CannotStart
Ledger.open(sys.argv[1] + ".mine").close()  # imports all it needs while it may still read it
os.setgid(65534); os.setuid(65534)
try:
    Ledger.open(sys.argv[1])
except CannotStart as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
@pytest.mark.parametrize("place", ["locked/ledger.db", "locked/new/ledger.db", "ledger.db"])
def test_a_place_that_may_not_be_written_is_told(place: str) -> None:
    """A read-only folder, a folder that cannot be made, a file of somebody else's."""
    import tempfile  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "locked").mkdir(mode=0o555)
        Ledger.open(root / "ledger.db").close()
        ended = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(root / place)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert "write" in ended.stdout or "cannot be" in ended.stdout
    assert folder in ended.stdout


def test_a_server_that_is_not_there_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """And neither the message nor its chain nor a log line holds a credential."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(LedgerUnusable, match="cannot be reached") as caught:
        Ledger.open(NOWHERE)
    shown = f"{caught.value!r} {caught.value} {caplog.text}"
    assert not [secret for secret in SECRETS if secret in shown]
    assert "postgresql://127.0.0.1:9/ledger" in shown
    assert caught.value.__suppress_context__


def test_no_credential_is_shown_anywhere(database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the ledger's own words, not when something fails in the middle of the work."""
    caplog.set_level(logging.DEBUG)
    url = database.replace("postgres:@", "postgres:hunter2@")
    with Ledger.open(url) as ledger:
        assert "postgres:" not in f"{ledger!r}{ledger.address}"
        with pytest.raises(LedgerUnusable) as caught:
            ledger._store.read(lambda tx: tx.run(sa.text("SELECT nonsense")))
        assert "hunter2" not in f"{ledger!r} {ledger.address} {caught.value} {caplog.text}"
        assert ledger.address in str(caught.value)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("postgres://u:p@db.example/films", "postgresql://db.example/films"),
        (
            "postgresql://u:p@db.example:6432/films?sslmode=require",
            "postgresql://db.example:6432/films",
        ),
        ("postgresql+psycopg://db.example/films", "postgresql://db.example/films"),
        ("/data/ledger.db", "/data/ledger.db"),
        ("sqlite:////data/ledger.db", "/data/ledger.db"),
        ("file:///data/ledger.db", "/data/ledger.db"),
        ("/data/with space?and=sign#.db", "/data/with space?and=sign#.db"),
    ],
)
def test_addresses_are_shown_without_credentials(written: str, shown: str) -> None:
    """What stands in `omnihuman.json` and in messages."""
    assert understand(written).shown == shown
    assert repr(understand(written)) == f"Address({shown})"


@pytest.mark.parametrize(
    "nonsense",
    [
        "mysql://u:geheim@h/d",
        "s3://bucket/x",
        "sqlite://",
        ":memory:",
        "",
        "postgresql://u:geheim@h:port/d",
    ],
)
def test_an_address_that_cannot_hold_a_ledger_is_refused(nonsense: str) -> None:
    """In words that say what can, and without the password that stood in it."""
    with pytest.raises(CannotStart) as caught:
        understand(nonsense)
    assert "geheim" not in str(caught.value)
    assert "file" in str(caught.value) or "postgresql://" in str(caught.value)


def test_strange_file_names_are_only_names(tmp_path: Path) -> None:
    """A question mark in a path is no query, a percent sign no code."""
    file = tmp_path / "new folder" / "a?mode=memory&b%20#c.db"
    Ledger.open(file).close()
    assert file.is_file()


def test_a_forked_copy_of_a_process_may_not_write(tmp_path: Path) -> None:
    """It would share the parent's connection and pass for it in claims."""
    script = f"""
import json, os, sys
from omnihuman_blocks.edges.ledger import Ledger, LedgerUnusable
ledger = Ledger.open({json.dumps(str(tmp_path / "ledger.db"))})
child = os.fork()
if child == 0:
    try:
        ledger.totals()
    except LedgerUnusable as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert "Open it again here" in ended.stdout


def test_a_ledger_held_by_another_program_is_waited_for_then_told(
    tmp_path: Path, make_wish: Callable[..., Wish]
) -> None:
    """Somebody edits the file by hand: patience first, then words about what to look for."""
    file = tmp_path / "ledger.db"
    with Ledger.open(file, patience_seconds=1.0) as ledger:
        editor = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        editor.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnusable, match="kept busy by other writers for 1 s"):
            ledger.intend(make_wish())
        release = threading.Timer(0.3, editor.rollback)
        release.start()
        assert isinstance(ledger.intend(make_wish()), Intended)
        release.join()
        editor.close()


def test_the_driver_of_the_server_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the message is the command that installs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(CannotStart, match=r"pip install 'prefect-omnihuman\[postgres\]'"):
        Ledger.open("postgresql://127.0.0.1:9/x")


async def test_awaiting_code_uses_the_thread_of_the_ledger(tmp_path: Path) -> None:
    """One thread of its own, ended by `close`."""
    import asyncio  # noqa: PLC0415

    ledger = Ledger.open(tmp_path / "ledger.db")
    loop = asyncio.get_running_loop()
    names = [
        await loop.run_in_executor(ledger.executor, lambda: threading.current_thread().name)
        for _ in range(2)
    ]
    assert names == ["ledger_0"] * 2
    await loop.run_in_executor(None, ledger.close)
    assert "ledger_0" not in {thread.name for thread in threading.enumerate()}


MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /mnt/films rw,relatime shared:5 - nfs4 store:/films rw,vers=4.2
31 30 0:41 / /mnt/films/local\\040disk rw - ext4 /dev/vdb rw
32 22 0:42 / /mnt/twice rw - nfs store:/x rw
33 22 0:43 / /mnt/twice rw - xfs /dev/vdc rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/mnt/films", "nfs4"),
        ("/mnt/films/a/b", "nfs4"),
        ("/mnt/films/local disk/a", None),
        ("/mnt/filmsets", None),
        ("/mnt/twice/a", None),
        ("/srv", None),
    ],
)
def test_a_network_folder_is_known_by_its_mount(
    folder: str, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deepest mount decides, and of two at one place the later one."""
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "mountinfo")
    assert mounts.network_file_system(Path(folder)) is None  # a platform that does not tell
    (tmp_path / "mountinfo").write_text(MOUNTINFO)
    assert mounts.network_file_system(Path(folder)) == kind


def test_a_file_that_two_machines_would_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is made: on a network folder two machines would not see each other's claims."""
    (tmp_path / "mountinfo").write_text(f"1 0 0:1 / {tmp_path} rw - nfs store:/x rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "mountinfo")
    with pytest.raises(CannotStart, match=r"network folder \(nfs\).*PostgreSQL"):
        Ledger.open(tmp_path / "ledger.db")
    assert not (tmp_path / "ledger.db").exists()
