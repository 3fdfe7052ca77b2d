"""The sandbox is an independent witness, and its videos are real."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

import omnihuman_blocks.sandbox
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import Settings

if TYPE_CHECKING:
    import httpx

    from tests.sandbox.conftest import Fal, Media

HOME = Path(omnihuman_blocks.sandbox.__file__).parent
MODULES = sorted(path.relative_to(HOME).as_posix() for path in HOME.rglob("*.py"))


def imports(source: str) -> Iterator[str]:
    """The modules that a file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("module", MODULES)
def test_it_imports_nothing_of_ours_but_itself(module: str) -> None:
    """A mistake in our clients cannot be repeated by what judges them."""
    for name in imports((HOME / module).read_text(encoding="utf-8")):
        assert not name.startswith(("httpx", "prefect")), name
        if name.startswith("omnihuman_blocks"):
            assert name.startswith("omnihuman_blocks.sandbox"), name


def test_its_public_names_are_where_the_page_says() -> None:
    """Loaded when first used; anything else is no attribute."""
    for name in omnihuman_blocks.sandbox.__all__:
        assert getattr(omnihuman_blocks.sandbox, name).__name__ == name
    with pytest.raises(AttributeError):
        _ = omnihuman_blocks.sandbox.Nothing


def test_its_videos_are_real(http: httpx.Client) -> None:
    """Bought from the studio that ships: it decodes, is as long as the voice, and costs that."""
    from tests.sandbox.conftest import Fal, Media  # noqa: PLC0415

    with Sandbox(settings=Settings(time_scale=0.0)) as sandbox:
        media = Media(sandbox)
        client = Fal(sandbox, media, http)
        answer = client.result(client.submit(client.input(audio_url=media.audio(1.5))).json())
        url = answer.json()["video"]["url"]
        right = seconds_of(http.get(url).content)
        effects: list[dict[str, Any]] = [
            {"kind": "wrong_length", "factor": 0.5},
            {"kind": "other_video"},
        ]
        wrong = []
        for effect in effects:
            sandbox.faults.replace([{"effect": effect}])
            wrong.append(seconds_of(http.get(url).content))
    assert answer.json()["duration"] == pytest.approx(1.5, abs=0.01)
    assert right == pytest.approx(1.5, abs=0.1)
    assert wrong == [pytest.approx(0.75, abs=0.1), pytest.approx(1.5, abs=0.1)]


def seconds_of(film: bytes) -> float:
    """Counted in decoded frames, not read from a header."""
    with av.open(io.BytesIO(film), mode="r") as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None
        frames = len(list(container.decode(stream)))
        return float(frames / stream.average_rate)


def test_studio_trouble_is_the_vendors_trouble(
    fal: Fal, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A studio that breaks down fails the job as an internal error; the sandbox lives on."""
    house = fal.sandbox.house
    assert house is not None

    async def broken(**_: Any) -> bytes:
        raise RuntimeError("the studio burns")

    with monkeypatch.context() as patch:
        patch.setattr(house.desk.engine.maker.studio, "render", broken)
        answer = fal.result(fal.submit(fal.input(audio_url=media.audio())).json())
    assert answer.status_code == 500
    assert answer.json()["detail"][0]["type"] == "internal_server_error"
    assert fal.result(fal.submit().json()).status_code == 200
