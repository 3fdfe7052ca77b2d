"""One callback -> what it was worth. Only a ticket and the news that there is news are believed.

The token in the address names the purchase and is known to us and one vendor. Where the vendor
signs, the signature must fit; where the buyer chooses the id, it must be that id. Everything that
could be forged beyond that (state, address of the video, cost) is not even read.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TypeVar

from omnihuman_blocks.domain.job import JobKey, Ticket
from omnihuman_blocks.edges.ledger import Heard, Ledger
from omnihuman_blocks.errors import OmniHumanError, Unreadable
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.providers.base import Callbacks, Seal
from omnihuman_blocks.walk.accounts import NO_KEY, account
from omnihuman_blocks.webhooks.keyring import KeyRing

T = TypeVar("T")

log = logging.getLogger("omnihuman_blocks.webhooks")

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")
LONGEST_TICKET = 200


class Verdict(StrEnum):
    """What became of a callback. Only the first two change anything."""

    ADOPTED = "adopted"
    """It brought the ticket of a purchase whose answer was lost, or is still to come."""
    NEWS = "news"
    REPEATED = "repeated"
    STRAY = "stray"
    """Genuine, and about a purchase that no attempt stands for. Kept with the attempt."""
    UNKNOWN = "unknown"
    """No such token, or it belongs to another vendor's purchase."""
    FORGED = "forged"
    REPLAYED = "replayed"
    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    NOT_NOW = "not_now"
    """The ledger or the vendor's keys cannot be read at the moment; the vendor will call again."""


STATUS = {
    Verdict.ADOPTED: 200,
    Verdict.NEWS: 200,
    Verdict.REPEATED: 200,
    Verdict.STRAY: 200,
    Verdict.UNKNOWN: 404,
    Verdict.FORGED: 403,
    Verdict.REPLAYED: 403,
    Verdict.OVERSIZED: 413,
    Verdict.MALFORMED: 400,
    Verdict.NOT_NOW: 503,
}

HEARD = {
    Heard.ADOPTED: Verdict.ADOPTED,
    Heard.NEWS: Verdict.NEWS,
    Heard.REPEATED: Verdict.REPEATED,
    Heard.STRAY: Verdict.STRAY,
}
LOUD = frozenset({Verdict.STRAY, Verdict.FORGED, Verdict.REPLAYED, Verdict.NOT_NOW})


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """The attempt that a token stands for."""

    key: JobKey
    attempt: int
    provider: str
    model: str
    callbacks: Callbacks


@dataclass(kw_only=True)
class Receiver:
    """Judges callbacks, writes into the ledger what they bring, and counts them."""

    ledger: Ledger
    rings: Mapping[str, KeyRing]
    counts: Counter[Verdict] = field(default_factory=Counter)

    @classmethod
    def at(cls, ledger: Ledger, environment: Mapping[str, str]) -> Receiver:
        """With a key ring for every vendor that signs, at the addresses the environment names."""
        rings = {
            name: KeyRing(account=account(room, NO_KEY, environment), signing=calls.signing)
            for name, room in PROVIDERS.items()
            if (calls := room.CALLBACKS) is not None and calls.signing is not None
        }
        return cls(ledger=ledger, rings=rings)

    async def find(self, vendor: str, token: str) -> Purchase | Verdict:
        """The purchase that an address stands for; before anything of the body is read."""
        try:
            found = await self._find(vendor, token)
        except OmniHumanError as error:
            return self.count(Verdict.NOT_NOW, vendor, why=str(error))
        return found or self.count(Verdict.UNKNOWN, vendor)

    async def hear(self, purchase: Purchase, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Judges what was said about a purchase, and writes down what is worth it."""
        try:
            verdict, why = await self._hear(purchase, headers, body), ""
        except Unreadable as error:
            verdict, why = Verdict.MALFORMED, str(error)
        except OmniHumanError as error:
            verdict, why = Verdict.NOT_NOW, str(error)
        return self.count(verdict, purchase.provider, key=purchase.key, why=why)

    def count(
        self, verdict: Verdict, vendor: str, *, key: JobKey | None = None, why: str = ""
    ) -> Verdict:
        """One more of these, with a line in the log. A token is never in it."""
        self.counts[verdict] += 1
        name = vendor if vendor in PROVIDERS else "nobody we know"
        about = "" if key is None else f" about job {key[:12]}"
        level = logging.WARNING if verdict in LOUD else logging.INFO
        log.log(level, "callback of %s%s: %s%s", name, about, verdict, f" ({why})" if why else "")
        return verdict

    async def _find(self, vendor: str, token: str) -> Purchase | None:
        room = PROVIDERS.get(vendor)
        if room is None or room.CALLBACKS is None or not TOKEN.fullmatch(token):
            return None
        named = await self._book(self.ledger.by_token, token)
        if named is None:
            return None
        key, attempt = named
        state = await self._book(self.ledger.state, key)
        if state is None or state.provider != vendor:
            return None
        return Purchase(
            key=key,
            attempt=attempt,
            provider=vendor,
            model=state.model,
            callbacks=room.CALLBACKS,
        )

    async def _hear(self, purchase: Purchase, headers: Mapping[str, str], body: bytes) -> Verdict:
        ring = self.rings.get(purchase.provider)
        seal = Seal.GENUINE if ring is None else await ring.judge(headers, body)
        if seal is not Seal.GENUINE:
            return Verdict.FORGED if seal is Seal.FORGED else Verdict.REPLAYED
        ticket_id = purchase.callbacks.ticket_in(body)
        if len(ticket_id) > LONGEST_TICKET:
            raise Unreadable(f"an id of {len(ticket_id)} characters is none")
        own_ticket = purchase.callbacks.own_ticket
        if own_ticket is not None and ticket_id != own_ticket(purchase.key, purchase.attempt):
            return Verdict.FORGED
        ticket = Ticket(provider=purchase.provider, model=purchase.model, id=ticket_id)
        heard = await self._book(self.ledger.hear, purchase.key, purchase.attempt, ticket)
        return HEARD[heard]

    async def _book(self, work: Callable[..., T], *given: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.ledger.executor, partial(work, *given))
