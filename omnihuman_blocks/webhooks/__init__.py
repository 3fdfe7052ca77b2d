"""Vendors' callbacks in, tickets and news into the ledger. See `docs/webhooks.md`."""

from __future__ import annotations

from omnihuman_blocks.webhooks.app import Webhooks, app_for
from omnihuman_blocks.webhooks.receiving import Verdict

__all__ = ["Verdict", "Webhooks", "app_for"]
