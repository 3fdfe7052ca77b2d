"""The receiver on a port of its own, until somebody stops it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn

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


def server(app: Webhooks) -> Server:
    """No line per request: the addresses that are asked for hold tokens."""
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="on",
            limit_concurrency=MOST_AT_ONCE,
            timeout_graceful_shutdown=10,
        )
    )
