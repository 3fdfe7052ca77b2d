"""Catalogue lines in, `index.html` out: every row's video beside its words, state and cost.

One file without scripts from elsewhere: it opens from a folder, a bucket or an e-mail. Captions
are written into it, because browsers load none from a folder on a disk. Whatever
stands in the tables is text here, never markup; addresses that are not files of the results folder
or plain web addresses are not linked.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote, urlsplit

Line = Mapping[str, object]

STATES = ("done", "pending", "in_doubt", "blocked", "failed", "rejected")

FIGURES = {
    "likeness": "likeness {:.2f}",
    "loudness_lufs": "{:.1f} LUFS",
    "black_seconds": "black {:.1f} s",
    "frozen_seconds": "still {:.1f} s",
    "silent_seconds": "silent {:.1f} s",
    "strange_seconds": "another sound {:.1f} s",
}
USUAL = ("likeness", "loudness_lufs")
"""Told of every video; the others where there is something to tell."""
WORTH_TELLING = 0.5

PAGE = Template(files(__package__).joinpath("gallery.html").read_text(encoding="utf-8"))


def write_gallery(
    folder: Path, lines: Sequence[Line], words: Mapping[str, str], *, title: str = "Catalogue"
) -> Path:
    """Writes the page beside the videos, whole or not at all. `words` are spoken, by row id."""
    counts = Counter(str(line["state"]) for line in lines)
    page = PAGE.substitute(
        title=escape(title),
        summary=escape(_summary(lines, counts)),
        filters="".join(_filter(state, counts[state]) for state in STATES if counts[state]),
        cards="\n".join(_card(folder, line, words.get(str(line["row_id"]), "")) for line in lines),
    )
    target = folder / "index.html"
    unfinished = folder / ".index.html.part"
    unfinished.write_text(page, encoding="utf-8", errors="replace")
    os.replace(unfinished, target)  # noqa: PTH105 - replaces on every platform
    return target


def _summary(lines: Sequence[Line], counts: Counter[str]) -> str:
    states = ", ".join(f"{counts[state]} {_spoken(state)}" for state in STATES if counts[state])
    seconds = sum(_numbers(lines, "video_seconds"), Decimal(0))
    dollars = sum(_numbers(lines, "cost_usd"), Decimal(0))
    return f"{len(lines)} rows: {states or 'none'}. {seconds:.0f} s of video, ${dollars:.2f} known."


def _numbers(lines: Iterable[Line], name: str) -> Iterable[Decimal]:
    return (Decimal(str(line[name])) for line in lines if line.get(name) is not None)


def _filter(state: str, count: int) -> str:
    return (
        f'<label><input type="checkbox" value="{state}" checked> {_spoken(state)} {count}</label>'
    )


def _spoken(state: str) -> str:
    return state.replace("_", " ")


def _card(folder: Path, line: Line, words: str) -> str:
    state = str(line["state"])
    name = escape(str(line["script_id"]))
    locale = escape(str(line["locale"]), quote=True)
    return (
        f'<article data-state="{escape(state)}">{_screen(folder, line)}<div class="text">'
        f'<div class="head"><b dir="auto">{name}</b>'
        f'<span class="state {escape(state)}">{escape(_spoken(state))}</span></div>'
        f'<p class="words" dir="auto" lang="{locale}">{escape(words)}</p>'
        f'<div class="facts">{escape(_facts(line))}</div>{_checks(line)}{_why(line)}'
        "</div></article>"
    )


def _screen(folder: Path, line: Line) -> str:
    address = _address(line.get("video_uri"))
    if address is None or line["state"] != "done":
        return '<div class="none">no video</div>'
    poster = _address(line.get("poster_uri"))
    if poster is None:
        shown = f'preload="metadata" src="{escape(address)}#t=0.1"'
    else:
        shown = f'preload="none" poster="{escape(poster)}" src="{escape(address)}"'
    return f"<video controls {shown}>{_track(folder, line)}</video>"


def _track(folder: Path, line: Line) -> str:
    """The captions, in the page itself."""
    uri = line.get("captions_vtt_uri")
    if not isinstance(uri, str) or _address(uri) is None:
        return ""
    try:
        captions = (folder / uri).read_bytes()
    except OSError:
        return ""
    if not captions.startswith(b"WEBVTT"):
        return ""
    content = base64.b64encode(captions).decode()
    locale = escape(str(line["locale"]), quote=True)
    return (
        f'<track kind="captions" srclang="{locale}" label="{locale}" default '
        f'src="data:text/vtt;base64,{content}">'
    )


def _checks(line: Line) -> str:
    """What the checks saw, in a line."""
    seen = line.get("checks")
    if not isinstance(seen, Mapping):
        return ""
    told = [f"checks: {seen['verdict']}"]
    told += [
        sentence.format(number)
        for name, sentence in FIGURES.items()
        if isinstance(number := seen.get(name), (int, float))
        and (name in USUAL or number >= WORTH_TELLING)
    ]
    return f'<div class="facts">{escape(" · ".join(told))}</div>'


def _address(uri: object) -> str | None:
    """A file below the page, or a web address; anything else is not linked."""
    if not isinstance(uri, str) or not uri:
        return None
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return uri
    if parts.scheme or uri.startswith("/") or ".." in uri.split("/"):
        return None
    return quote(uri)


def _facts(line: Line) -> str:
    facts = [str(line["locale"]), str(line["avatar_id"]), str(line.get("provider") or "")]
    if line.get("video_seconds") is not None:
        facts.append(f"{Decimal(str(line['video_seconds'])):.1f} s")
    if line.get("cost_usd") is not None:
        facts.append(f"${Decimal(str(line['cost_usd'])):.4f} ({line['cost_basis']})")
    elif line["state"] == "done":
        facts.append("cost not told by the vendor")
    return " · ".join(fact for fact in facts if fact)


def _why(line: Line) -> str:
    message = line.get("error_message")
    if not message:
        return ""
    why = escape(f"{line.get('error_class')}: {message}")
    return f'<div class="why" dir="auto">{why}</div>'
