"""The ledger's tables. `docs/ledger.md` tells the same for people who look inside.

Money is whole millionths of a dollar, because SQLite sums floats. Lengths of media are exact
decimals written as text. JSON is written one way only, so that it can be compared and sent again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from omnihuman_blocks.domain.identity import canonical
from omnihuman_blocks.domain.wire import Json


class Moment(TypeDecorator[datetime]):
    """A point in time, always UTC. SQLite keeps text of one width, which sorts as time does."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a time without a zone: nobody could say when that was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time in the ledger needs a zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal number with every digit that it came with."""

    impl = sa.Text()
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


# Made once: `json.loads` makes a new one at each call that says how to read numbers.
EXACT = json.JSONDecoder(parse_float=Decimal)


class CanonicalJson(TypeDecorator[Json]):
    """JSON as canonical text. A decimal number comes back as text; no float enters or leaves."""

    impl = sa.Text()
    cache_ok = True

    def process_bind_param(self, value: Json, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else canonical(value).decode("utf-8", "surrogatepass")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:  # noqa: ARG002
        return None if value is None else parsed(value)


def parsed(text: str) -> Json:
    """JSON as it was written down."""
    value: Json = EXACT.decode(text)
    return value


METADATA = sa.MetaData()

# SQLite numbers rows by itself only where the type is spelled INTEGER.
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _attempt() -> list[sa.Column[str] | sa.Column[int]]:
    """The columns that name one attempt at one job."""
    return [
        sa.Column("job_key", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
    ]


versions = sa.Table(
    "schema_version",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", Moment, nullable=False),
)

owners = sa.Table(
    "owners",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started", sa.BigInteger),
    sa.Column("boot_id", sa.Text),
    sa.Column("namespaces", sa.Text),
    sa.Column("seen_at", Moment, nullable=False),
)

jobs = sa.Table(
    "jobs",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("audio_seconds", Exact),
    sa.Column("media", CanonicalJson, nullable=False),
    sa.Column("options", CanonicalJson, nullable=False),
    sa.Column("variant", sa.Integer, nullable=False),
    sa.Column("enrolled_at", Moment, nullable=False),
)

attempts = sa.Table(
    "attempts",
    METADATA,
    sa.Column("job_key", sa.Text, sa.ForeignKey("jobs.key"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    # The claim: whose intent this is, and until when he must have said how it ended.
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", Moment),
    sa.Column("intent", NUMBER),
    # Money. `held`: the reservation still counts in `counters`.
    sa.Column("reserved_micro", sa.BigInteger),
    sa.Column("held", sa.Boolean, nullable=False, default=False),
    sa.Column("scopes", CanonicalJson),
    sa.Column("charge_micro", sa.BigInteger),
    sa.Column("cost_basis", sa.Text),
    # What the vendor said.
    sa.Column("ticket_id", sa.Text),
    sa.Column("ticket", CanonicalJson),
    sa.Column("further_tickets", CanonicalJson),
    sa.Column("outputs", CanonicalJson),
    sa.Column("generated_seconds", Exact),
    sa.Column("error_class", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("vendor_code", sa.Text),
    sa.Column("retryable", sa.Boolean),
    sa.Column("charged", sa.Boolean),
    # What decoding the delivered file has shown.
    sa.Column("checks", CanonicalJson),
    # When.
    sa.Column("intended_at", Moment),
    sa.Column("submitted_at", Moment),
    sa.Column("finished_at", Moment),
    sa.Column("done_at", Moment),
    sa.Index("attempts_by_stage", "stage"),
    sa.Index("attempts_by_ticket", "ticket_id"),
    sa.CheckConstraint("attempt >= 1", name="attempts_count_from_one"),
)

intents = sa.Table(
    "intents",
    METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("callback_token", sa.Text, nullable=False),
    *_attempt(),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("addresses", CanonicalJson, nullable=False),
    sa.Column("body", sa.Text),
    sa.ForeignKeyConstraint(["job_key", "attempt"], ["attempts.job_key", "attempts.attempt"]),
    sa.Index("intents_by_attempt", "job_key", "attempt"),
    sa.Index("intents_by_token", "callback_token"),
)

clips = sa.Table(
    "clips",
    METADATA,
    sa.Column("job_key", sa.Text, sa.ForeignKey("jobs.key"), primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("file", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("width", sa.Integer),
    sa.Column("height", sa.Integer),
    sa.Column("seconds", Exact),
    sa.Column("likeness", sa.Float),
    sa.Column("verdict", sa.Text, nullable=False),
)

events = sa.Table(
    "events",
    METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    *_attempt(),
    sa.Column("at", Moment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("detail", CanonicalJson),
    sa.Column("mark", sa.Text),
    sa.Index("events_by_attempt", "job_key", "attempt"),
)

caps = sa.Table(
    "caps",
    METADATA,
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("cap_micro", sa.BigInteger, nullable=False),
    sa.CheckConstraint("cap_micro >= 0", name="caps_are_not_negative"),
)

counters = sa.Table(
    "counters",
    METADATA,
    sa.Column("scope", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("spent_micro", sa.BigInteger, nullable=False, default=0),
    sa.Column("reserved_micro", sa.BigInteger, nullable=False, default=0),
    sa.CheckConstraint("spent_micro >= 0", name="counters_spent_is_not_negative"),
    sa.CheckConstraint("reserved_micro >= 0", name="counters_reserved_is_not_negative"),
)

remembered = sa.Table(
    "remembered_media",
    METADATA,
    # Addresses can be longer than what an index holds, so their digest is the key.
    sa.Column("address_sha256", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("facts", CanonicalJson, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
)

staged = sa.Table(
    "staged_media",
    METADATA,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("expires_at", Moment),
    sa.Column("staged_at", Moment, nullable=False),
)

durations = sa.Table(
    "durations",
    METADATA,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("audio_seconds", sa.Float, nullable=False),
    sa.Column("generation_seconds", sa.Float, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Index("durations_by_model", "provider", "model", "id"),
)
