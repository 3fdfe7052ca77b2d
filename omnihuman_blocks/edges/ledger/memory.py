"""What need not be found out twice: facts of media, where they were staged, how long jobs took."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from omnihuman_blocks.domain.job import Staged
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges.ledger.reading import among
from omnihuman_blocks.edges.ledger.schema import durations, remembered, staged
from omnihuman_blocks.edges.ledger.store import Chapter, Transaction

AT_ONCE = 10_000
RECENT = 200


class Memory(Chapter):
    """Saves work, never decides about money: what is forgotten here is found out again."""

    def recall(self, address: str, fingerprint: str) -> Record | None:
        """What was found out about a medium, if it is still the same one."""
        return self.recall_many({address: fingerprint}).get(address)

    def recall_many(self, wanted: Mapping[str, str]) -> dict[str, Record]:
        """Facts by address, for those whose fingerprint has not changed."""
        addresses, found = list(wanted), {}
        for start in range(0, len(addresses), AT_ONCE):
            some = [_digest(address) for address in addresses[start : start + AT_ONCE]]
            found.update(self._store.read(partial(_recall, digests=some, wanted=wanted)))
        return found

    def recall_latest(self, addresses: Iterable[str]) -> dict[str, tuple[str, Record]]:
        """Fingerprint and facts by address, of the state that was seen last."""
        wanted, found = list(addresses), {}
        for start in range(0, len(wanted), AT_ONCE):
            some = [_digest(address) for address in wanted[start : start + AT_ONCE]]
            found.update(self._store.read(partial(_recall_latest, digests=some)))
        return found

    def remember(self, address: str, fingerprint: str, facts: Record) -> None:
        """Keeps facts for as long as the fingerprint is the same. A decimal comes back as text."""
        self.remember_many([(address, fingerprint, facts)])

    def remember_many(self, found: Iterable[tuple[str, str, Record]]) -> None:
        """Many facts in one commit."""
        rows = [
            {
                "address_sha256": _digest(address),
                "address": address,
                "fingerprint": fingerprint,
                "facts": facts,
            }
            for address, fingerprint, facts in found
        ]
        # Two processes that remember the same media must lock them in the same order.
        rows.sort(key=lambda row: str(row["address_sha256"]))
        if rows:
            self._store.write(
                lambda tx: tx.upsert(remembered, [{**row, "seen_at": tx.now} for row in rows])
            )

    def staged(
        self, provider: str, account: str, sha256: str, *, at_least: timedelta = timedelta(0)
    ) -> str | None:
        """Where a vendor has a medium, and will have it for at least so long."""
        return self._store.read(lambda tx: _staged(tx, provider, account, sha256, at_least))

    def keep_staged(self, provider: str, account: str, sha256: str, where: Staged) -> None:
        """Keeps where a medium was staged. `account` is a fingerprint of the key, never the key."""

        def work(tx: Transaction) -> None:
            expires = None if where.kept_for is None else tx.now + where.kept_for
            tx.upsert(
                staged,
                {
                    "provider": provider,
                    "account": account,
                    "sha256": sha256,
                    "address": where.address,
                    "expires_at": expires,
                    "staged_at": tx.now,
                },
            )

        self._store.write(work)

    def forget_staged(self, provider: str, account: str, sha256: str) -> None:
        """The vendor no longer has it, whatever it promised."""
        gone = sa.delete(staged).where(
            staged.c.provider == provider, staged.c.account == account, staged.c.sha256 == sha256
        )
        self._store.write(lambda tx: tx.run(gone))

    def durations(
        self, provider: str, model: str, *, most: int = RECENT
    ) -> list[tuple[float, float]]:
        """The latest jobs as (seconds of audio, seconds until they were finished), newest first."""
        recent = (
            sa.select(durations.c.audio_seconds, durations.c.generation_seconds)
            .where(durations.c.provider == provider, durations.c.model == model)
            .order_by(durations.c.id.desc())
            .limit(most)
        )
        rows = self._store.read(lambda tx: tx.run(recent).all())
        return [(row.audio_seconds, row.generation_seconds) for row in rows]


def _recall(tx: Transaction, digests: list[str], wanted: Mapping[str, str]) -> dict[str, Record]:
    latest = _recall_latest(tx, digests)
    return {address: facts for address, (mark, facts) in latest.items() if wanted[address] == mark}


def _recall_latest(tx: Transaction, digests: list[str]) -> dict[str, tuple[str, Record]]:
    rows = tx.run(sa.select(remembered).where(among(tx, remembered.c.address_sha256, digests)))
    return {row.address: (row.fingerprint, row.facts) for row in rows}


def _staged(
    tx: Transaction, provider: str, account: str, sha256: str, at_least: timedelta
) -> str | None:
    kept = sa.select(staged.c.address).where(
        staged.c.provider == provider,
        staged.c.account == account,
        staged.c.sha256 == sha256,
        sa.or_(staged.c.expires_at.is_(None), staged.c.expires_at > tx.now + at_least),
    )
    found: str | None = tx.run(kept).scalar_one_or_none()
    return found


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
