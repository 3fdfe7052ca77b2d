"""AIMLAPI's books: the log of requests, what was spent, the balance, the transactions."""

from __future__ import annotations

import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door, Instead, Json
from omnihuman_blocks.sandbox.desk import Desk
from omnihuman_blocks.sandbox.effects import Unlisted
from omnihuman_blocks.sandbox.job import Job
from omnihuman_blocks.sandbox.strike import Refuses, Strike
from omnihuman_blocks.sandbox.times import iso_z, wall
from omnihuman_blocks.sandbox.wires.aimlapi_words import CREDITS_PER_USD, complain

LONGEST_WINDOW = timedelta(days=92)
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass
class AimlapiLogs:
    """What the account can be told about itself."""

    desk: Desk
    check_key: Callable[[Request], None]
    refuses: Refuses
    asked: deque[float] = field(default_factory=deque)

    def routes(self, prefix: str) -> list[BaseRoute]:
        """The books, all of them read only."""
        return [
            Route(f"{prefix}/v2/logs", Door(self.logs), methods=["GET"]),
            Route(f"{prefix}/v2/usage", Door(self.usage), methods=["GET"]),
            Route(f"{prefix}/v2/billing", Door(self.billing), methods=["GET"]),
            Route(f"{prefix}/v2/billing/transactions", Door(self.transactions), methods=["GET"]),
            Route(f"{prefix}/v1/billing/balance", Door(self.balance), methods=["GET"]),
        ]

    def _open(self, request: Request) -> Strike:
        self.check_key(request)
        self.desk.note("aimlapi", "logs")
        strike = self.desk.strike_about("aimlapi", "logs", None, self.refuses)
        strike.before()
        self._check_rate()
        self.desk.engine.advance()
        return strike

    def _check_rate(self) -> None:
        most, now = self.desk.settings.aimlapi.logs_per_minute, time.monotonic()
        while self.asked and self.asked[0] <= now - 60:
            self.asked.popleft()
        if most is not None and len(self.asked) >= most:
            raise Instead(self.refuses("rate"))
        self.asked.append(now)

    def _jobs(self) -> list[Job]:
        """Newest first."""
        return self.desk.engine.of("aimlapi")[::-1]

    # --- the log ----------------------------------------------------------------------------

    async def logs(self, request: Request) -> Answer:
        """One row per request made in the window, newest first."""
        strike = self._open(request)
        start, end = read_window(request)
        query = request.query_params
        models, statuses = query.getlist("model"), query.getlist("status")
        limit, offset = _whole(request, "limit", 50, 1, 100), _whole(request, "offset", 0, 0, None)
        if any(status not in ("succeeded", "failed") for status in statuses):
            raise Instead(complain("/v2/logs", ["status: Invalid enum value"]))
        rows = [
            _row(job)
            for job in self._jobs()
            if start <= wall(job.accepted_at) <= end
            and self._listed(job, strike)
            and (not models or job.order.model in models)
            and (not statuses or _outcome(job) in statuses)
        ]
        page = rows[offset : offset + limit]
        more = offset + limit < len(rows)
        pagination = {"limit": limit, "offset": offset, "total": len(rows), "has_more": more}
        return await strike.after(Answer(body={"data": page, "pagination": pagination}))

    def _listed(self, job: Job, strike: Strike) -> bool:
        if job.finished_at is None and not self.desk.settings.aimlapi.logs_show_running:
            return False
        unlisted = strike.get(Unlisted)
        return unlisted is None or (unlisted.running_only and job.finished_at is not None)

    # --- money ------------------------------------------------------------------------------

    async def usage(self, request: Request) -> Answer:
        """What was spent in the window."""
        strike = self._open(request)
        start, end = read_window(request)
        charged = [
            job for job in self._jobs() if job.charged and start <= wall(job.accepted_at) <= end
        ]
        body = {
            "api_key_prefix": request.query_params.get("key_prefix"),
            "start": iso_z(start),
            "end": iso_z(end),
            "spend": float(sum(job.charge_usd for job in charged)),
            "currency": "USD",
            "requests": len(charged),
        }
        return await strike.after(Answer(body=body))

    async def billing(self, request: Request) -> Answer:
        """What is left."""
        strike = self._open(request)
        left = self._left()
        body = {"balance": {"usd": left, "credits": int(left * int(CREDITS_PER_USD))}}
        return await strike.after(Answer(body=body))

    async def balance(self, request: Request) -> Answer:
        """What is left, in the older form."""
        strike = self._open(request)
        left = int(self._left() * int(CREDITS_PER_USD))
        body = {
            "balance": left,
            "lowBalance": left < int(CREDITS_PER_USD),
            "lowBalanceThreshold": int(CREDITS_PER_USD),
            "lastUpdated": iso_z(time.time()),
            "autoDebitStatus": "disabled",
            "status": "current",
        }
        return await strike.after(Answer(body=body))

    def _left(self) -> float:
        spent = sum(float(job.charge_usd) for job in self._jobs() if job.charged)
        return round(self.desk.settings.aimlapi.balance_usd - spent, 6)

    async def transactions(self, request: Request) -> Answer:
        """The ledger: one line per charge, newest first, by cursor."""
        strike = self._open(request)
        limit = _whole(request, "limit", 50, 1, 100)
        after = request.query_params.get("cursor")
        charged = [job for job in self._jobs() if job.charged]
        first = 0
        if after is not None:
            tickets = [job.order.ticket for job in charged]
            first = tickets.index(after) + 1 if after in tickets else len(tickets)
        page = charged[first : first + limit]
        more = first + limit < len(charged)
        body = {
            "data": [_transaction(job) for job in page],
            "next_cursor": page[-1].order.ticket if more else None,
        }
        return await strike.after(Answer(body=body))


def _outcome(job: Job) -> str:
    return "failed" if job.phase == "failed" else "succeeded"


def _row(job: Job) -> dict[str, Json]:
    usd = job.charge_usd if job.charged else 0
    return {
        "created": iso_z(wall(job.accepted_at)),
        "status": _outcome(job),
        "origin": "api",
        "model": job.order.model,
        "cost": {"usd": float(usd), "credits": int(usd * CREDITS_PER_USD)},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": job.request_id,
        "inference_id": job.order.ticket,
        "client_request_id": job.order.client_id,
    }


def _transaction(job: Job) -> dict[str, Json]:
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, job.order.ticket)),
        "type": "charge",
        "amount": {
            "usd": -float(job.charge_usd),
            "credits": -int(job.charge_usd * CREDITS_PER_USD),
        },
        "reference_id": job.order.ticket,
        "created": iso_z(wall(job.finished_at or job.accepted_at)),
    }


# --- reading a query ----------------------------------------------------------------------------


def read_window(request: Request) -> tuple[float, float]:
    """`period`, or `start` and `end`, as seconds since 1970; raises the vendor's 400."""
    query, path = request.query_params, "/v2/logs"
    period, start, end = query.get("period"), query.get("start"), query.get("end")
    now = time.time()
    if period is not None:
        wished = re.fullmatch(r"([1-9]\d*)([hd])", period)
        if wished is None or start is not None or end is not None:
            raise Instead(complain(path, ["period: Invalid, or given together with start or end"]))
        return now - (int(wished[1]) * UNITS[wished[2]]).total_seconds(), now
    if start is None or end is None:
        raise Instead(complain(path, ["period: Required unless start and end are given"]))
    try:
        first, last = _moment(start), _moment(end)
    except ValueError:
        raise Instead(complain(path, ["start, end: Expected ISO-8601"])) from None
    if last < first or last - first > LONGEST_WINDOW:
        raise Instead(complain(path, ["end: Must follow start by at most 92 days"]))
    return first.timestamp(), last.timestamp()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _whole(request: Request, name: str, default: int, least: int, most: int | None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        raise Instead(complain("/v2/logs", [f"{name}: Expected a whole number from {least}"]))
    return int(text)
