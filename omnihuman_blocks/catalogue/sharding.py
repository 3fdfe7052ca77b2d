"""Several processes make one catalogue: who begins it, and who writes it at the end.

Each walks the jobs of its shard. The first to arrive writes plan, note and catalogue; the last to
leave joins what is left, makes what is missing, and writes the catalogue from the plan and the
ledger. Both happen in turn: what is written was read from the ledger while nobody else could
write, so an older state is never put in the place of a newer one. A process that is killed has
left, too; where it would have been the last, the next one to run writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from omnihuman_blocks.catalogue.preparing import open_ledger
from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.domain.sharding import WHOLE
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.ledger.turns import Presence
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.walk.order import Order


class Company:
    """Those who work on the catalogue of one results folder."""

    def __init__(self, ledger: Ledger, place: str) -> None:
        self._ledger = ledger
        self._place = place
        self._presence: Presence | None = None

    @contextmanager
    def arriving(self) -> Iterator[bool]:
        """Whether nobody is at work yet. From then on somebody is."""
        with self._ledger.turn(self._place) as turn:
            yield turn.is_alone()
            self._presence = self._ledger.at_work(self._place)

    @contextmanager
    def leaving(self) -> Iterator[bool]:
        """Whether nobody is at work any more."""
        with self._ledger.turn(self._place) as turn:
            self.left()
            yield turn.is_alone()

    def left(self) -> None:
        """Also where it could not even begin."""
        if self._presence is not None:
            self._presence.leave()
            self._presence = None


class Whole(Company):
    """An invocation that walks everything writes first and last, whoever else is at work.

    It, too, waits for its turn: two nights may overlap, or a retry a shard.
    """

    @contextmanager
    def arriving(self) -> Iterator[bool]:
        with self._ledger.turn(self._place):
            yield True

    @contextmanager
    def leaving(self) -> Iterator[bool]:
        with self._ledger.turn(self._place):
            yield True


@contextmanager
def company_of(order: Order) -> Iterator[Company]:
    """Those who share an order's results folder, as its ledger knows them."""
    folder = ResultsFolder.at(order.results)
    place = without_credentials(folder.path("") if folder.is_local else folder.address)
    with open_ledger(order) as ledger:
        company = (Whole if order.shard == WHOLE else Company)(ledger, place)
        try:
            yield company
        finally:
            company.left()
