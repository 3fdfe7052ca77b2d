"""A path or a URL in, where the ledger is out, and how to say so without its credentials."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from omnihuman_blocks.errors import CannotStart

POSTGRES = {"postgresql", "postgres"}
HIDDEN = "***"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a ledger is kept. Exactly one of `file` and `server` is there."""

    shown: str
    """For people, logs and `omnihuman.json`: no user, no password, no query."""
    file: Path | None = None
    server: URL | None = None

    def __repr__(self) -> str:
        return f"Address({self.shown})"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen in a message, longest first."""
        if self.server is None:
            return ()
        found = {self.server.username, str(self.server.password or "")}
        found |= {str(value) for name, value in self.server.query.items() if "pass" in name}
        return tuple(sorted((secret for secret in found if secret), key=len, reverse=True))

    def without_secrets(self, text: str) -> str:
        """A message of a driver, fit to be shown."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


def understand(url_or_path: str | Path) -> Address:
    """The address that a person wrote: a file, `sqlite:///FILE`, or `postgresql://HOST/NAME`."""
    written = str(url_or_path)
    if "://" not in written:
        return _file(Path(written))
    scheme = written.partition("://")[0].partition("+")[0].lower()
    if scheme == "sqlite":
        return _sqlite(written)
    if scheme in POSTGRES:
        return _server(written)
    if scheme == "file":
        return _file(Path(written.removeprefix("file://")))
    raise CannotStart(
        f"A ledger cannot be kept at a `{scheme}://` address. Name a file on this machine, or a "
        "PostgreSQL database: postgresql://USER:PASSWORD@HOST/DATABASE"
    )


def _sqlite(written: str) -> Address:
    name = written.partition("://")[2].removeprefix("/")
    if not name or name.startswith(":memory:"):
        raise CannotStart("A ledger must outlive the process: name a file, sqlite:///FILE")
    return _file(Path(name))


def _file(path: Path) -> Address:
    if str(path) in (".", ":memory:"):
        raise CannotStart("A ledger must outlive the process: name a file")
    absolute = path.expanduser().absolute()
    return Address(shown=str(absolute), file=absolute)


def _server(written: str) -> Address:
    try:
        url = make_url("postgresql+psycopg://" + written.partition("://")[2])
    except (ArgumentError, ValueError):
        # The library's own words may quote the address.
        raise CannotStart(
            "The ledger's address is not one of PostgreSQL. It should look like this, with "
            "special characters in the password percent-encoded: "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        ) from None
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return Address(shown=f"postgresql://{host}{port}/{url.database or ''}", server=url)


def sqlite_url(file: Path) -> sa.URL:
    """The address of a file for SQLAlchemy, whatever characters its name has."""
    return sa.URL.create("sqlite+pysqlite", database=str(file))
