"""Opens the book. What can be written into it and read from it stands in its chapters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from omnihuman_blocks.edges.ledger import address, migrations, mounts
from omnihuman_blocks.edges.ledger.aftermath import Aftermath
from omnihuman_blocks.edges.ledger.callbacks import Calls
from omnihuman_blocks.edges.ledger.caps import Caps
from omnihuman_blocks.edges.ledger.history import History
from omnihuman_blocks.edges.ledger.leases import Leases
from omnihuman_blocks.edges.ledger.memory import Memory
from omnihuman_blocks.edges.ledger.purchase import Purchases
from omnihuman_blocks.edges.ledger.reading import Reading
from omnihuman_blocks.edges.ledger.rebuild import Rebuilding
from omnihuman_blocks.edges.ledger.store import Store
from omnihuman_blocks.edges.ledger.takeover import Takeover
from omnihuman_blocks.edges.ledger.turns import Turns
from omnihuman_blocks.errors import CannotStart

LEASE_SECONDS = 180.0
"""Longer than any purchase may take to be answered; short enough to wait out after a crash."""
PATIENCE_SECONDS = 60.0


class Ledger(
    Purchases, Takeover, Calls, Aftermath, Caps, Memory, Reading, History, Rebuilding, Turns
):
    """What was bought, by whom, for how much. Made by `Ledger.open`, safe in any thread.

    Every call waits for a disk or a server. Awaiting code hands it to `executor`.
    """

    def __init__(self, store: Store, leases: Leases) -> None:
        self._store = store
        self._leases = leases
        self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        """One thread of its own, so that waiting for the disk never holds up an event loop."""

    @classmethod
    def open(
        cls,
        url_or_path: str | Path,
        *,
        must_exist: bool = False,
        lease_seconds: float = LEASE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Self:
        """Opens a ledger, founding it where there is none unless it `must_exist`.

        Raises `CannotStart` for a newer version, a file that is none of ours, and a place that
        cannot be read or written; each says what to do.
        """
        where = address.understand(url_or_path)
        if where.file is not None:
            _check_file(where.file, must_exist=must_exist)
        store = Store(where, patience=patience_seconds)
        try:
            migrations.bring_up_to_date(store, must_exist=must_exist)
        except BaseException:
            store.close()
            raise
        store.opened()
        return cls(store, Leases(lease_seconds))

    @property
    def address(self) -> str:
        """Where it is, without credentials."""
        return self._store.address.shown

    @property
    def owner(self) -> str:
        """The name under which this process writes."""
        return self._store.owner.id

    def close(self) -> None:
        """Ends the thread after what it has begun, and closes every connection."""
        self.executor.shutdown()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self.address})"


def _check_file(file: Path, *, must_exist: bool) -> None:
    """SQLite founds an empty file wherever it looks, so we look first."""
    if must_exist and not file.is_file():
        raise migrations.missing(str(file))
    if not must_exist:
        _make_folder(file.parent)
    file_system = mounts.network_file_system(file.parent)
    if file_system is not None:
        raise CannotStart(
            f"The ledger {file} would lie on a network folder ({file_system}), where two machines "
            "could buy the same video without seeing each other. Name a file on a local disk with "
            "`--ledger`, or a PostgreSQL database if several machines are to share it."
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"The ledger's folder {folder} cannot be made ({error.strerror}). Name a folder that "
            "this user may write to."
        ) from None
