"""`/media/...`: anybody may PUT a file there and GET it; the sandbox hosts a client's inputs."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door
from omnihuman_blocks.sandbox.desk import base_of
from omnihuman_blocks.sandbox.media import Library, Medium


@dataclass(frozen=True)
class Hosting:
    """The open shelf."""

    library: Library

    def routes(self) -> list[BaseRoute]:
        """One address per file."""
        path = "/media/{path:path}"
        return [
            Route(path, Door(self.put), methods=["PUT", "POST"]),
            Route(path, Door(self.get), methods=["GET", "HEAD"]),
            Route(path, Door(self.delete), methods=["DELETE"]),
        ]

    async def put(self, request: Request) -> Answer:
        """Keeps the body."""
        path: str = request.scope["path"]
        guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
        content_type = request.headers.get("content-type") or guessed
        medium = await Medium.hashed(await request.body(), content_type)
        self.library.keep(path, medium)
        body = {
            "url": f"{base_of(request)}{quote(path)}",
            "sha256": medium.digest,
            "bytes": len(medium.data),
        }
        return Answer(status=201, body=body)

    async def get(self, request: Request) -> Answer:
        """The file."""
        medium = self.library.find(request.scope["path"])
        if medium is None:
            return Answer(status=404, body=b"not found\n", media_type="text/plain")
        return Answer(body=medium.data, media_type=medium.content_type)

    async def delete(self, request: Request) -> Answer:
        """No file."""
        gone = self.library.remove(request.scope["path"])
        return Answer(status=200 if gone else 404, body={"deleted": gone})
