"""Somebody on the open network who means no good, with certificates, names and addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omnihuman_blocks.edges.http import Http

Serve = Callable[[str, asyncio.StreamWriter], Awaitable[None]]

PUBLIC = "93.184.216.34"
"""Where the stranger's names lead; packets to it end at a server of this test."""
HOSTS = ("cdn.stranger.test", "other.stranger.test")
_REAL_CONNECT = httpcore.AnyIOBackend.connect_tcp


@dataclass
class Stranger:
    """A server behind a public address, and what names lead where."""

    port: int = 0
    serve: Serve | None = None
    asked: list[str] = field(default_factory=list)
    names: dict[str, list[str]] = field(default_factory=dict)
    dialled: list[str] = field(default_factory=list)
    """Every address that somebody tried to connect to."""

    def url(self, path: str = "/clip.mp4", *, host: str = HOSTS[0]) -> str:
        return f"https://{host}:{self.port}{path}"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            assert self.serve is not None
            await self.serve(path, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        numbers = self.names.get(host)
        if numbers is None:
            numbers = [str(entry[4][0]) for entry in _numeric(host, port)]
        return [
            (
                socket.AF_INET6 if ":" in number else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (number, port),
            )
            for number in numbers
        ]


def _numeric(host: str, port: int) -> list[Any]:
    """As the system's own resolver reads numbers, disguised ones too; it asks nobody."""
    return list(_REAL_LOOKUP(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))


_REAL_LOOKUP = socket.getaddrinfo


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the stranger's names, which signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(h) for h in HOSTS]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "stranger.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture
async def stranger(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stranger]:
    """The stranger at work: real TLS, real sockets; only the way to his address is laid here."""
    stranger = Stranger(names={host: [PUBLIC] for host in HOSTS})
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(certificate)
    server = await asyncio.start_server(stranger.talk, "127.0.0.1", 0, ssl=trust)
    stranger.port = server.sockets[0].getsockname()[1]

    async def connect(
        self: httpcore.AnyIOBackend, host: str, *more: Any, **named: Any
    ) -> httpcore.AsyncNetworkStream:
        stranger.dialled.append(host)
        place = "127.0.0.1" if host in (PUBLIC, *HOSTS) else host
        return await _REAL_CONNECT(self, place, *more, **named)

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    monkeypatch.setattr(socket, "getaddrinfo", stranger.getaddrinfo)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield stranger
    server.close()


@pytest.fixture
async def http(stranger: Stranger) -> AsyncIterator[Http]:
    """Our own door, which trusts the stranger's certificate as it does everybody's."""
    async with Http() as http:
        yield http
