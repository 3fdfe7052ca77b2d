"""A bucket as our own code uses it: what is there, what is put there, and who may fetch it."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest

from omnihuman_blocks.edges.places import Unusable, find
from omnihuman_blocks.edges.store import PROBE, SIGNED_FOR, MediaStore, StorePlace
from omnihuman_blocks.errors import CannotStart, Refused, Transient

pytestmark = pytest.mark.xdist_group("media store")

Bucket = Any


def fetch(address: str) -> bytes:
    """As a vendor would, without any key."""
    with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310
        content: bytes = reply.read()
        assert reply.headers.get_content_type() == "audio/wav"
    return content


def test_what_is_put_is_there_and_a_signed_address_opens_it(bucket: Bucket) -> None:
    """And nothing else does: the same address without its signature is closed or another one."""
    store = MediaStore(StorePlace(url=bucket.url))
    assert not store.has("a.wav")
    store.put("a.wav", b"sound", "audio/wav")
    assert store.has("a.wav")
    assert store.has("a.wav", 5)
    assert not store.has("a.wav", 6)  # half of something, left by somebody else
    where = store.address("a.wav")
    assert where.kept_for == SIGNED_FOR
    assert "X-Amz-Signature" in where.address
    assert fetch(where.address) == b"sound"
    store.check_reach(nearby=True)
    with pytest.raises(CannotStart, match="not public https"):
        store.check_reach(nearby=False)


def test_an_address_of_borrowed_credentials_is_not_trusted_to_last(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They end by themselves, whatever the address says."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "borrowed")
    store = MediaStore(StorePlace(url=bucket.url))
    assert store.address("a.wav").kept_for == timedelta(0)


def test_a_public_bucket_needs_no_signature(bucket: Bucket) -> None:
    """Names in its addresses are quoted."""
    public = "https://media.example.com/x/"
    store = MediaStore(StorePlace(url=f"{bucket.url}/", public=public))
    where = store.address("a b.wav")
    assert where.address == "https://media.example.com/x/a%20b.wav"
    assert where.kept_for == SIGNED_FOR
    store.check_reach(nearby=False)


def test_the_check_writes_reads_back_as_a_stranger_and_cleans_up(bucket: Bucket) -> None:
    """What is not the same when it comes back is told."""
    store = MediaStore(StorePlace(url=bucket.url))
    seen = []

    def read(address: str) -> bytes:
        with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310
            seen.append(reply.read())
        return bytes(seen[-1])

    store.check(read)
    assert seen == [PROBE.encode()]
    assert not store.has(PROBE)
    with pytest.raises(Refused, match="read back"):
        store.check(lambda _: b"something else")


def test_without_keys_nothing_can_be_signed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is told before anything starts, with what to do."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = MediaStore(StorePlace(url=bucket.url))
    with pytest.raises(CannotStart, match="keys into the environment"):
        store.check_reach(nearby=True)
    with pytest.raises(Refused, match="needs its keys"):
        store.put("a.wav", b"sound", "audio/wav")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(Unusable, match="needs the keys"):
        find(f"{bucket.url}/a.wav")


def test_a_bucket_that_is_not_there_says_no_and_one_that_is_away_not_now(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first will not get better by itself."""
    with pytest.raises(Refused, match="cannot be written to"):
        MediaStore(StorePlace(url=f"{bucket.url}-gone".replace("/media", ""))).put(
            "a.wav", b"sound", "audio/wav"
        )
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    away = MediaStore(StorePlace(url=bucket.url))
    away._system.retries = 1
    with pytest.raises(Transient, match="now"):
        away.put("a.wav", b"sound", "audio/wav")


def test_a_folder_that_a_web_server_shows_is_a_store_too(tmp_path: Path) -> None:
    """Nothing there can be signed, so it needs its public address."""
    url = f"file://{tmp_path}/shown/media"
    store = MediaStore(StorePlace(url=url, public="https://media.example.com"))
    store.put("a.wav", b"sound", "audio/wav")
    assert (tmp_path / "shown/media/a.wav").read_bytes() == b"sound"
    assert store.has("a.wav", 5)
    with pytest.raises(CannotStart, match="--media-store-public"):
        MediaStore(StorePlace(url=url)).check_reach(nearby=True)


@pytest.mark.parametrize(
    "url",
    [
        "bucket",
        "",
        "s3://",
        "s3:///media",
        "https://bucket.example.com",
        "s3://KEY:SECRET@bucket/media",
        "s3://bucket/media?token=SECRET",
    ],
)
def test_an_address_that_is_no_bucket_or_holds_a_key_is_refused(url: str) -> None:
    """And is not repeated with its key."""
    with pytest.raises(CannotStart, match="--media-store") as refused:
        StorePlace(url=url)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("public", ["media.example.com", "https://a.example/?x=1", "s3://bucket"])
def test_a_public_address_is_a_plain_web_address(public: str) -> None:
    with pytest.raises(CannotStart, match="--media-store-public"):
        StorePlace(url="s3://bucket", public=public)


def test_a_scheme_that_nobody_speaks_here_is_told() -> None:
    """With the words of whoever would have to speak it."""
    with pytest.raises(CannotStart, match="cannot be used"):
        MediaStore(StorePlace(url="nowhere://bucket"))
