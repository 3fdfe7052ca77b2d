"""fal's uploads: by token, in parts, and the older way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox
    from tests.sandbox.conftest import Fal


@pytest.fixture
def token(fal: Fal, sandbox: Sandbox) -> dict[str, Any]:
    url = f"{sandbox.url}/fal/rest/storage/auth/token?storage_type=fal-cdn-v3"
    body: dict[str, Any] = fal.http.post(url, json={}, headers=fal.headers).json()
    return body


def bearer(token: dict[str, Any], **more: str) -> dict[str, str]:
    return {"Authorization": f"{token['token_type']} {token['token']}", **more}


def test_a_token_says_where_and_how_long(token: dict[str, Any], sandbox: Sandbox) -> None:
    """Its base is the CDN, and it dies in the future."""
    assert token["base_url"] == f"{sandbox.url}/fal/cdn"
    assert datetime.fromisoformat(token["expires_at"]) > datetime.now(UTC)


def test_a_file_is_uploaded_whole(fal: Fal, token: dict[str, Any]) -> None:
    """The access address gives the same bytes and type back, and keeps the name."""
    headers = bearer(token, **{"Content-Type": "image/png", "X-Fal-File-Name": "my face.png"})
    url = f"{token['base_url']}/files/upload"
    answer = fal.http.post(url, content=b"bytes", headers=headers)
    got = fal.http.get(answer.json()["access_url"])
    assert (got.content, got.headers["content-type"]) == (b"bytes", "image/png")
    assert answer.json()["access_url"].endswith("/my_face.png")


def test_a_file_is_uploaded_in_parts(fal: Fal, token: dict[str, Any]) -> None:
    """Parts may come in any order; tags decide what is joined."""
    begin = f"{token['base_url']}/files/upload/multipart"
    begun = fal.http.post(begin, headers=bearer(token, **{"X-Fal-File-Name": "a.wav"})).json()
    url = f"{begun['access_url']}/multipart/{begun['uploadId']}"
    tags = {
        number: fal.http.put(f"{url}/{number}", content=data, headers=bearer(token)).headers["etag"]
        for number, data in ((2, b"world"), (1, b"hello "))
    }
    parts = [{"partNumber": number, "etag": tags[number]} for number in (1, 2)]
    wrong = [{"partNumber": 1, "etag": tags[2]}]
    assert (
        fal.http.post(f"{url}/complete", json={"parts": wrong}, headers=bearer(token)).status_code
        == 400
    )
    fal.http.post(f"{url}/complete", json={"parts": parts}, headers=bearer(token))
    assert fal.http.get(begun["access_url"]).content == b"hello world"


def test_the_older_way_promises_an_address(fal: Fal, sandbox: Sandbox) -> None:
    """Initiate, PUT without a key, read; an address that was not promised takes nothing."""
    url = f"{sandbox.url}/fal/rest/storage/upload/initiate?storage_type=gcs"
    wish = {"file_name": "a.png", "content_type": "image/png"}
    promised = fal.http.post(url, json=wish, headers=fal.headers).json()
    assert fal.http.put(promised["upload_url"], content=b"bytes").status_code == 200
    assert fal.http.get(promised["file_url"]).content == b"bytes"
    elsewhere = f"{sandbox.url}/fal/cdn/files/aa/b.png"
    assert fal.http.put(elsewhere, content=b"bytes").status_code == 403


def test_uploads_need_permission(fal: Fal, sandbox: Sandbox) -> None:
    """Without a key there is no token, and without a token there is no upload."""
    token = f"{sandbox.url}/fal/rest/storage/auth/token"
    assert fal.http.post(token, json={}).status_code == 401
    upload = f"{sandbox.url}/fal/cdn/files/upload"
    assert fal.http.post(upload, content=b"x", headers=fal.headers).status_code == 401


def test_uploaded_files_are_inputs(fal: Fal, token: dict[str, Any]) -> None:
    """What was uploaded is found without asking the network."""
    url = f"{token['base_url']}/files/upload"
    image, audio = (
        fal.http.post(url, content=data, headers=bearer(token)).json()["access_url"]
        for data in (fal.media.portrait(), fal.media.voice(5.0))
    )
    answer = fal.result(fal.submit({"image_url": image, "audio_url": audio}).json())
    assert answer.json()["duration"] == 5.0


def test_a_dead_address_is_not_found(fal: Fal, sandbox: Sandbox) -> None:
    """404 for what was never uploaded."""
    assert fal.http.get(f"{sandbox.url}/fal/cdn/files/aa/none.png").status_code == 404
