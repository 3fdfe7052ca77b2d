"""The receiver on a port of its own, until somebody stops it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.webhooks.app import Webhooks

BACKLOG = 512
MOST_AT_ONCE = 200
"""Beyond these a caller is told to come again, which vendors do."""


def bind(host: str, port: int) -> socket.socket:
    """Takes the port, so that a wrong one is told before anything else."""
    try:
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        raise CannotStart(
            f"Port {port} of {host} cannot be had: {error.strerror}. Name another one with --port."
        ) from error


class Server(uvicorn.Server):
    """uvicorn would raise a signal again after a clean end; whoever serves decides about those."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class QuietProtocol(H11Protocol):
    """No line per request: the addresses that are asked for hold tokens.

    `access_log=False` alone is undone by whoever configures logging after it, such as Prefect.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.access_log = False


def server(app: Webhooks) -> Server:
    """Ready to serve, on a socket that was bound before."""
    return Server(
        uvicorn.Config(
            app,
            http=QuietProtocol,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="on",
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=10,
        )
    )
