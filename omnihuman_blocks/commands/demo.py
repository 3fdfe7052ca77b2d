"""`omnihuman demo`: the whole walk on the sandbox, without a key and without a network."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from omnihuman_blocks.commands.catalogue import print_end
from omnihuman_blocks.commands.words import Commands, add_command
from omnihuman_blocks.domain.summary import EXIT_DONE
from omnihuman_blocks.providers import PROVIDERS

TABLES = ("scripts", "avatars")
MEDIA_COLUMNS = ("audio_uri", "image_uri", "mask_uri")
MEDIA_TYPES = {".mp3": "audio/mpeg", ".wav": "audio/wav", ".jpg": "image/jpeg", ".png": "image/png"}
CUT = 13
"""Four vendors, eight languages, recordings and texts; the whole takes minutes to render."""
TIME_SCALE = 0.03
"""The sandbox's models take about a second here where a vendor's take a minute."""


def add_demo(commands: Commands) -> None:
    """`omnihuman demo`"""
    words = add_command(
        commands,
        "demo",
        says="make a small catalogue on the sandbox: all four vendors, no key, no network",
        example="omnihuman demo --out demo-results",
    )
    words.add_argument("--out", default="demo-results", metavar="DIR", help="default demo-results")
    words.add_argument(
        "--rows", type=int, default=CUT, metavar="N", help=f"only the first N rows; default {CUT}"
    )
    words.add_argument(
        "--all", action="store_true", help="every row: twelve languages and a script of minutes"
    )
    words.add_argument(
        "--quality", choices=("fast", "preview", "full"), default="preview", help="of the pictures"
    )
    words.set_defaults(run=run_demo)


def run_demo(arguments: argparse.Namespace) -> int:
    """Makes the catalogue, then asks for it again, which buys nothing."""
    from omnihuman_blocks.sandbox.server import Sandbox  # noqa: PLC0415 - slow import
    from omnihuman_blocks.sandbox.settings import Settings  # noqa: PLC0415

    out = Path(arguments.out)
    _forget_the_user(out)
    settings = Settings(time_scale=TIME_SCALE)
    with Sandbox(
        settings=settings, quality=arguments.quality, workers=os.cpu_count() or 1
    ) as sandbox:
        os.environ.update(sandbox.environment)
        print(f"A sandbox speaks the wires of all four vendors at {sandbox.url}.")
        tables = _lay_tables(out, sandbox.host, None if arguments.all else arguments.rows)
        print(f"Tables: {tables['scripts']} and {tables['avatars']}\n")
        first = _generate(out, tables)
        if first != EXIT_DONE:
            return first
        bought = sandbox.counts().accepted()
        print("\nThe same again: what is done is not bought twice.")
        second = _generate(out, tables)
        again = sandbox.counts().accepted() - bought
        print(
            f"\nThe sandbox counted {bought} purchases, ${sandbox.counts().charged_usd():.2f}; "
            f"{again} more the second time."
        )
    page = (out / "index.html").absolute()
    print(f"Watch them: {page.as_uri()}")
    return second


def _forget_the_user(out: Path) -> None:
    """The demo knows neither the user's Prefect nor their keys."""
    home = os.environ.get("PREFECT_HOME")
    for name in [each for each in os.environ if each.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ["PREFECT_HOME"] = str((Path(home) if home else out / ".prefect").absolute())


def _lay_tables(out: Path, host: object, rows: int | None) -> Mapping[str, Path]:
    """The tables that ship with the package; the sandbox hosts their media, as a bucket would."""
    shipped = files("omnihuman_blocks").joinpath("demo")
    folder = out / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    laid = {}
    for name in TABLES:
        text = shipped.joinpath(f"{name}.csv").read_text(encoding="utf-8")
        lines = list(csv.DictReader(text.splitlines()))
        if name == "scripts":
            lines = _that_can_be_spoken(lines[:rows])
        for line in lines:
            for column in MEDIA_COLUMNS:
                if line.get(column):
                    file = shipped.joinpath(line[column])
                    media_type = MEDIA_TYPES[Path(line[column]).suffix]
                    line[column] = host(line[column], file.read_bytes(), media_type)  # type: ignore[operator]
        laid[name] = folder / f"{name}.csv"
        with laid[name].open("w", encoding="utf-8", newline="") as file_out:
            writer = csv.DictWriter(file_out, fieldnames=lines[0].keys())
            writer.writeheader()
            writer.writerows(lines)
    return laid


def _that_can_be_spoken(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Texts need the embedded voice, which is an extra."""
    if find_spec("espeakng_loader") is not None:
        return lines
    recorded = [line for line in lines if line["audio_uri"]]
    print(
        f"{len(lines) - len(recorded)} rows have no recording and are left out: nothing here "
        "speaks. With `pip install 'prefect-omnihuman[speech]'` they are spoken."
    )
    return recorded


def _generate(out: Path, tables: Mapping[str, Path]) -> int:
    from omnihuman_blocks.commands.prefect_here import run_flow  # noqa: PLC0415 - slow import

    began = time.monotonic()
    told = run_flow(
        "generate_catalogue",
        {
            "scripts": str(tables["scripts"]),
            "avatars": str(tables["avatars"]),
            "results": str(out),
            "provider": next(iter(PROVIDERS)),  # of rows that name none; every row here does
        },
    )
    if "error" in told:
        print(f"omnihuman demo: {told['error']}", file=sys.stderr)
        return int(told["exit_code"])
    code = int(told.pop("exit_code"))
    print_end(told, code)
    print(f"({time.monotonic() - began:.0f} s)")
    return code
