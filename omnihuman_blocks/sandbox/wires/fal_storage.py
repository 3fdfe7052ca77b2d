"""fal's storage: a token, a CDN that takes files whole or in parts, and the older fallback."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from omnihuman_blocks.sandbox.answers import Answer, Door, Instead, read_json
from omnihuman_blocks.sandbox.desk import Desk, base_of
from omnihuman_blocks.sandbox.media import Medium
from omnihuman_blocks.sandbox.strike import Strike
from omnihuman_blocks.sandbox.wires.fal_words import refusal

REST = "/fal/rest"
CDN = "/fal/cdn"
TOKEN_LIFE = timedelta(hours=1)


@dataclass
class _Parts:
    path: str
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class FalStorage:
    """Uploads, for those who have no address of their own."""

    desk: Desk
    check_key: Callable[[Request], None]
    tokens: set[str] = field(default_factory=set)
    uploads: dict[str, _Parts] = field(default_factory=dict)
    promised: dict[str, str] = field(default_factory=dict)

    def routes(self) -> list[BaseRoute]:
        """REST for tokens and promises, the CDN for bytes."""
        part = f"{CDN}/files/{{folder}}/{{name}}/multipart/{{upload_id}}"
        return [
            Route(f"{REST}/storage/auth/token", Door(self.token), methods=["POST"]),
            Route(f"{REST}/storage/upload/initiate", Door(self.initiate), methods=["POST"]),
            Route(f"{CDN}/files/upload", Door(self.upload), methods=["POST"]),
            Route(f"{CDN}/files/upload/multipart", Door(self.begin), methods=["POST"]),
            Route(f"{part}/complete", Door(self.complete), methods=["POST"]),
            Route(f"{part}/{{number:int}}", Door(self.part), methods=["PUT"]),
            Route(f"{CDN}/files/{{folder}}/{{name}}", Door(self.put), methods=["PUT"]),
            Route(f"{CDN}/files/{{folder}}/{{name}}", Door(self.get), methods=["GET"]),
        ]

    def _open(self) -> Strike:
        blocked = self.desk.settings.fal.blocked
        if blocked is not None:
            raise Instead(refusal(blocked))
        self.desk.note("fal", "upload")
        strike = self.desk.strike_about("fal", "upload", None, refusal)
        strike.before()
        return strike

    async def token(self, request: Request) -> Answer:
        """A bearer token for the CDN."""
        self.check_key(request)
        strike = self._open()
        token = secrets.token_urlsafe(24)
        self.tokens.add(token)
        body = {
            "token": token,
            "token_type": "Bearer",
            "base_url": f"{base_of(request)}{CDN}",
            "expires_at": (datetime.now(UTC) + TOKEN_LIFE).isoformat(),
        }
        return await strike.after(Answer(body=body))

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise Instead(Answer(status=401, body={"detail": "Invalid token"}))

    async def upload(self, request: Request) -> Answer:
        """A whole file."""
        self._check_token(request)
        strike = self._open()
        path = _new_path(request.headers.get("x-fal-file-name", "upload.bin"))
        self.desk.library.keep(path, await Medium.hashed(await request.body(), _type(request)))
        return await strike.after(Answer(body={"access_url": f"{base_of(request)}{path}"}))

    async def begin(self, request: Request) -> Answer:
        """A file in parts."""
        self._check_token(request)
        strike = self._open()
        path = _new_path(request.headers.get("x-fal-file-name", "upload.bin"))
        upload_id = str(uuid.uuid4())
        self.uploads[upload_id] = _Parts(path, _type(request))
        body = {"access_url": f"{base_of(request)}{path}", "uploadId": upload_id}
        return await strike.after(Answer(body=body))

    async def part(self, request: Request) -> Answer:
        """One part; its tag is asked for at the end."""
        self._check_token(request)
        upload = self.uploads.get(request.path_params["upload_id"])
        if upload is None:
            return Answer(status=404, body={"detail": "Unknown upload"})
        data = await request.body()
        upload.parts[request.path_params["number"]] = data
        return Answer(body={}, headers={"etag": _tag(data)})

    async def complete(self, request: Request) -> Answer:
        """All parts are there: each is checked by its tag."""
        self._check_token(request)
        upload = self.uploads.get(request.path_params["upload_id"])
        if upload is None:
            return Answer(status=404, body={"detail": "Unknown upload"})
        listed = (await read_json(request))["parts"]
        for item in listed:
            data = upload.parts.get(item["partNumber"])
            if data is None or _tag(data) != item["etag"]:
                return Answer(status=400, body={"detail": f"Invalid part {item['partNumber']}"})
        numbers = sorted(item["partNumber"] for item in listed)
        whole = b"".join(upload.parts[number] for number in numbers)
        self.desk.library.keep(upload.path, await Medium.hashed(whole, upload.content_type))
        del self.uploads[request.path_params["upload_id"]]
        return Answer(body={"access_url": f"{base_of(request)}{upload.path}"})

    async def initiate(self, request: Request) -> Answer:
        """The older way: an address to PUT to, and one to read from."""
        self.check_key(request)
        strike = self._open()
        wish = await read_json(request)
        path = _new_path(str(wish.get("file_name") or "upload.bin"))
        self.promised[path] = str(wish.get("content_type"))
        address = f"{base_of(request)}{path}"
        body = {"upload_url": f"{address}?signature={secrets.token_hex(8)}", "file_url": address}
        return await strike.after(Answer(body=body))

    async def put(self, request: Request) -> Answer:
        """The bytes that were promised; the address is the permission."""
        content_type = self.promised.get(request.scope["path"])
        if content_type is None:
            return Answer(status=403, body={"detail": "Not a promised upload"})
        medium = await Medium.hashed(await request.body(), content_type)
        self.desk.library.keep(request.scope["path"], medium)
        return Answer(body=b"", media_type="text/plain")

    async def get(self, request: Request) -> Answer:
        """What was uploaded, for anybody."""
        medium = self.desk.library.find(request.scope["path"])
        if medium is None:
            return Answer(status=404, body={"detail": "Not Found"})
        return Answer(body=medium.data, media_type=medium.content_type)


def _new_path(name: str) -> str:
    safe = "".join(sign if sign.isalnum() or sign in ".-_" else "_" for sign in name)[-80:]
    return f"{CDN}/files/{secrets.token_hex(6)}/{safe or 'upload.bin'}"


def _type(request: Request) -> str:
    return request.headers.get("content-type", "application/octet-stream")


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
