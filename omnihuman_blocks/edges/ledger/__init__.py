"""Facts about purchases in, facts about purchases out; what is written here is never forgotten."""

from __future__ import annotations

from omnihuman_blocks.edges.ledger.failures import LedgerUnusable
from omnihuman_blocks.edges.ledger.leases import steady
from omnihuman_blocks.edges.ledger.ledger import Ledger
from omnihuman_blocks.edges.ledger.rebuild import Known
from omnihuman_blocks.edges.ledger.records import (
    Alarm,
    Already,
    Applied,
    Claim,
    Clip,
    Counter,
    Doubt,
    ErrorNote,
    Happening,
    Heard,
    HeldByOther,
    Intended,
    JobState,
    Orphan,
    Totals,
    Wish,
    new_token,
)

__all__ = [
    "Alarm",
    "Already",
    "Applied",
    "Claim",
    "Clip",
    "Counter",
    "Doubt",
    "ErrorNote",
    "Happening",
    "Heard",
    "HeldByOther",
    "Intended",
    "JobState",
    "Known",
    "Ledger",
    "LedgerUnusable",
    "Orphan",
    "Totals",
    "Wish",
    "new_token",
    "steady",
]
