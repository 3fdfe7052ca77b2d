"""The page beside the videos: everything in the tables is text on it, and nothing else."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from omnihuman_blocks.edges.gallery import write_gallery


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def line(**changes: object) -> dict[str, object]:
    return {
        "row_id": "r1",
        "script_id": "welcome",
        "locale": "de-DE",
        "avatar_id": "mira",
        "provider": "fal",
        "state": "done",
        "video_uri": "videos/abc.mp4",
        "video_seconds": Decimal("5.12"),
        "cost_usd": Decimal("0.8192"),
        "cost_basis": "duration",
        "error_class": None,
        "error_message": None,
    } | changes


def page_of(folder: Path, *lines: dict[str, object], words: dict[str, str] | None = None) -> Page:
    return Page(write_gallery(folder, lines, words or {}).read_text(encoding="utf-8"))


def test_every_row_can_be_watched_beside_its_words_state_and_cost(tmp_path: Path) -> None:
    """The whole line for people."""
    page = page_of(tmp_path, line(), words={"r1": "Willkommen!"})
    assert page.sources == ["videos/abc.mp4#t=0.1"]
    for told in ("welcome", "Willkommen!", "done", "de-DE", "mira", "$0.8192 (duration)", "5.1 s"):
        assert told in page.text


def test_what_stands_in_a_table_is_never_markup(tmp_path: Path) -> None:
    """A hostile script id, text, locale or message adds no tag to the page."""
    usual = page_of(tmp_path, line()).tags
    evil = "<script>alert(1)</script><img src=x onerror=y>\"'$title"
    hostile = line(script_id=evil, locale=evil, avatar_id=evil, provider=evil)
    page = page_of(tmp_path, hostile, words={"r1": evil})
    assert page.tags == usual
    assert evil in page.text


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "../../secret.mp4",
        "/etc/passwd",
        "data:text/html,x",
        "",
        None,
    ],
)
def test_an_address_that_leads_elsewhere_is_not_linked(tmp_path: Path, uri: str | None) -> None:
    """Only files below the page and web addresses are played."""
    page = page_of(tmp_path, line(video_uri=uri))
    assert page.sources == []
    assert "no video" in page.text


def test_a_video_is_shown_with_its_poster_its_captions_and_its_checks(tmp_path: Path) -> None:
    """Captions are in the page itself: from a folder on a disk browsers load none."""
    (tmp_path / "captions").mkdir()
    captions = "WEBVTT\n\n00:00.000 --> 00:01.000\n\u200fשלום <3\n"  # noqa: RUF001
    (tmp_path / "captions" / "abc.vtt").write_text(captions, encoding="utf-8")
    shown = line(
        poster_uri="posters/abc.jpg",
        captions_vtt_uri="captions/abc.vtt",
        checks={"verdict": "good", "likeness": 0.987, "black_seconds": 0.1, "frozen_seconds": 0.8},
    )
    page = page_of(tmp_path, shown)
    video, track = page.sources
    assert video == "videos/abc.mp4"
    content = track.removeprefix("data:text/vtt;base64,")
    assert base64.b64decode(content).decode() == captions
    assert "checks: good · likeness 0.99 · still 0.8 s" in page.text
    written = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'poster="posters/abc.jpg"' in written
    assert re.search(r"media-src[^;]*data:", written)


@pytest.mark.parametrize("uri", ["../secret.vtt", "captions/none.vtt", "captions/page.vtt", "/x"])
def test_captions_that_are_none_are_left_out(tmp_path: Path, uri: str) -> None:
    """A catalogue may come from anywhere: no other file gets into the page."""
    (tmp_path / "page" / "captions").mkdir(parents=True)
    (tmp_path / "secret.vtt").write_text("WEBVTT")
    (tmp_path / "page" / "captions" / "page.vtt").write_text("<html>")
    assert page_of(tmp_path / "page", line(captions_vtt_uri=uri)).sources == [
        "videos/abc.mp4#t=0.1"
    ]


def test_a_row_without_a_video_says_why(tmp_path: Path) -> None:
    """The class and the message stand where the video would."""
    failed = line(
        state="failed", video_uri=None, error_class="Refused", error_message="face not found"
    )
    page = page_of(tmp_path, failed, line(row_id="r2", cost_usd=None))
    assert "Refused: face not found" in page.text
    assert "cost not told by the vendor" in page.text
    assert "1 done, 1 failed" in page.text
