"""Where a medium goes on its way to a vendor, and when it goes there again. Nothing is bought."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, MediaKind, Staged
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.edges.store import MediaStore, StorePlace
from omnihuman_blocks.errors import InvalidRow, Transient
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.walk import bringing
from omnihuman_blocks.walk.bringing import STORE, address_for
from omnihuman_blocks.walk.house import House
from omnihuman_blocks.walk.opening import Setting, open_house

pytestmark = pytest.mark.xdist_group("media store")

Bucket = Any
OpenHouse = Callable[..., AbstractAsyncContextManager[House]]
Make = Callable[..., bytes]


@pytest.fixture
def house(sandbox: Sandbox, tmp_path: Path) -> OpenHouse:
    """Opens the house of an invocation; a second one is another process as far as it can see."""

    @asynccontextmanager
    async def opened(store: str | None = None, public: str | None = None) -> AsyncIterator[House]:
        setting = Setting(
            invocation="test",
            results=str(tmp_path),
            ledger=str(tmp_path / "ledger.db"),
            provider="pixazo",
            media_store=store,
            media_store_public=public,
            patience_seconds=30.0,
        )
        async with open_house(setting, load_block=lambda _: None) as house:
            yield house

    return opened


async def job(house: House, vendor: str, image: str, audio: str) -> Job:
    model = PROVIDERS[vendor].MODELS["1.5"]
    options, _ = model.options.understand({})
    read = lambda url: house.http.read(url, local=True, most=10**7)  # noqa: E731
    examiner = Examiner(read=read, pool=house.pool)
    seen = await examiner.examine(image, MediaKind.IMAGE, "")
    heard = await examiner.examine(audio, MediaKind.AUDIO, "")
    key = job_key(
        provider=vendor,
        model=model.id,
        image=seen.identity,
        audio=heard.identity,
        options=options,
    )
    return Job(key=key, provider=vendor, model=model.id, image=seen, audio=heard, options=options)


@pytest.fixture
def files(tmp_path: Path, voice: Make, portrait: Make) -> tuple[str, str]:
    """A picture and a recording that every vendor takes as they are."""
    (tmp_path / "mira.png").write_bytes(portrait(1, "png"))
    (tmp_path / "line.wav").write_bytes(voice(1, "wav", "pcm_s16le"))
    return str(tmp_path / "mira.png"), str(tmp_path / "line.wav")


def fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310
        content: bytes = reply.read()
    return content


async def test_a_signature_is_renewed_before_it_ends_and_nothing_is_brought_again(
    house: OpenHouse,
    bucket: Bucket,
    files: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it has long to live it is used as it is."""
    async with house(bucket.url) as first:
        given = await job(first, "pixazo", *files)
        desk = first.desk("pixazo")
        address = await address_for(first, desk, given, given.audio)
        assert fetch(address) == Path(files[1]).read_bytes()  # noqa: ASYNC240
    async with house(bucket.url) as second:
        desk = second.desk("pixazo")
        assert await address_for(second, desk, given, given.audio) == address
        place = StorePlace(url=bucket.url).fingerprint
        ending = Staged(address=address, kept_for=timedelta(hours=11))
        second.ledger.keep_staged(STORE, place, given.audio.sha256, ending)
        monkeypatch.setattr(MediaStore, "address", lambda *_: Staged(address="signed anew"))
        assert await address_for(second, desk, given, given.audio) == "signed anew"
    assert bucket.asked("PUT") == {f"media/{given.audio.sha256}.wav": 1}


async def test_a_vendor_whose_uploads_fail_fetches_from_the_store(
    house: OpenHouse,
    bucket: Bucket,
    files: tuple[str, str],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And without a store it is not the time."""
    monkeypatch.setattr(bringing, "TRIES", 1)
    sandbox.faults.add({"operation": "upload", "effect": {"kind": "server_error"}})
    async with house() as without:
        given = await job(without, "fal", *files)
        with pytest.raises(Transient):
            await address_for(without, without.desk("fal"), given, given.audio)
    async with house(bucket.url) as with_store:
        desk = with_store.desk("fal")
        address = await address_for(with_store, desk, given, given.audio)
    assert fetch(address) == Path(files[1]).read_bytes()  # noqa: ASYNC240


async def test_a_vendor_that_takes_no_upload_has_nothing_without_a_store(
    house: OpenHouse, files: tuple[str, str]
) -> None:
    """Planning has said so before; whoever comes another way is told the remedy."""
    async with house() as without:
        given = await job(without, "pixazo", *files)
        with pytest.raises(InvalidRow, match="--media-store"):
            await address_for(without, without.desk("pixazo"), given, given.image)


async def test_media_in_a_bucket_are_read_and_brought_like_files(
    house: OpenHouse, bucket: Bucket, files: tuple[str, str]
) -> None:
    """A bucket that media come from need not be the one that vendors fetch from."""
    import fsspec  # noqa: PLC0415

    system, sources = fsspec.filesystem("s3"), []
    for path in files:
        sources.append(f"s3://{bucket.name}/mine/{Path(path).name}")
        system.put_file(path, sources[-1])
    async with house(bucket.url) as opened:
        given = await job(opened, "pixazo", *sources)
        address = await address_for(opened, opened.desk("pixazo"), given, given.audio)
        for_fal = await job(opened, "fal", *sources)
        uploaded = await address_for(opened, opened.desk("fal"), for_fal, for_fal.audio)
    assert fetch(address) == fetch(uploaded) == Path(files[1]).read_bytes()  # noqa: ASYNC240
    assert given.audio.sha256 in address


async def test_a_web_address_is_handed_on_unless_the_vendor_needs_a_copy(
    house: OpenHouse, sandbox: Sandbox, files: tuple[str, str], tmp_path: Path, voice: Make
) -> None:
    """The copy is made once, and is as long as the original."""
    flac = voice(2, "flac", "flac")
    web = sandbox.host("line.flac", flac, "audio/flac")
    url, public = f"file://{tmp_path}/shown", "http://127.0.0.1:1/shown"
    async with house(url, public) as opened:
        given = await job(opened, "pixazo", files[0], web)
        aimlapi, fal = opened.desk("aimlapi"), opened.desk("fal")
        as_it_is = await job(opened, "aimlapi", files[0], web)
        assert await address_for(opened, aimlapi, as_it_is, as_it_is.audio) == web
        copy = await address_for(opened, opened.desk("pixazo"), given, given.audio)
        for_fal = await job(opened, "fal", files[0], web)
        uploaded = await address_for(opened, fal, for_fal, for_fal.audio)
        assert await address_for(opened, fal, for_fal, for_fal.audio) == uploaded
    digest = hashlib.sha256(flac).hexdigest()
    assert copy == f"{public}/{digest}-wav.wav"
    stored = (tmp_path / "shown" / f"{digest}-wav.wav").read_bytes()
    assert listen(stored).seconds == listen(flac).seconds
    assert fetch(uploaded) == stored
    assert sandbox.counts().vendors["fal"].requests["upload"] == 2  # a token and one upload
    assert given.audio.sha256 == for_fal.audio.sha256 == digest
