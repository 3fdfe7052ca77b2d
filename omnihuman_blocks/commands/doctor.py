"""`omnihuman doctor`: what is installed, configured and reachable, and how to mend what is not."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Literal
from urllib.parse import urlsplit

from omnihuman_blocks.commands.words import Commands, add_command, add_store, print_json
from omnihuman_blocks.domain.addresses import is_public
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.speech.espeak import INSTALL, is_installed
from omnihuman_blocks.edges.store import MediaStore, StorePlace
from omnihuman_blocks.errors import OmniHumanError
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.providers.base import Provider
from omnihuman_blocks.walk.accounts import has_key

REACH_SECONDS = 3.0
PROBE_BYTES = 10_000
KNOWN_TO_BREAK = {
    "fastapi": ((0, 151), "Prefect's server refuses or fails to start on 0.151 and later"),
    "sqlalchemy": ((2, 1), "Prefect's scheduler creates no scheduled runs on 2.1"),
}
LOOKED_AT = ("prefect-omnihuman", "prefect", "av", "pyarrow", "pandas", "httpx", *KNOWN_TO_BREAK)

Verdict = Literal["good", "note", "bad"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    said: str


def add_doctor(commands: Commands) -> None:
    """`omnihuman doctor`"""
    words = add_command(
        commands,
        "doctor",
        says="look at what is installed, configured and reachable, and say how to mend it",
        example="omnihuman doctor",
    )
    add_store(words)
    words.add_argument("--json", action="store_true", help="one JSON object on standard output")
    words.set_defaults(run=run_doctor)


def run_doctor(arguments: argparse.Namespace) -> int:
    """Looks at everything; 1 where something has to be mended."""
    findings = list(examine(os.environ))
    if arguments.media_store:
        findings.append(look_at_store(arguments.media_store, arguments.media_store_public))
    if arguments.json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.verdict:<5} {finding.what}: {finding.said}")
    return int(any(finding.verdict == "bad" for finding in findings))


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Packages, vendors, Prefect."""
    yield Finding(what="python", verdict="good", said=sys.version.split()[0])
    for name in LOOKED_AT:
        yield _package(name)
    for room in PROVIDERS.values():
        yield from _vendor(room, environment)
    if not any(has_key(room, environment) for room in PROVIDERS.values()):
        yield Finding(
            what="keys",
            verdict="note",
            said="no vendor has a key here. Try it without one: omnihuman demo",
        )
    yield _speech()
    yield _prefect(environment)


def look_at_store(url: str, public: str | None) -> Finding:
    """Writes something there, and reads it back from the address that a vendor would be given."""
    try:
        place = StorePlace(url=url, public=public)
        store = MediaStore(place)
        store.check(lambda address: asyncio.run(_read(address)))
        address = store.address("").address
    except OmniHumanError as error:
        return Finding(what="media store", verdict="bad", said=str(error))
    if is_public(address):
        said = f"{url} takes media and gives them out"
        return Finding(what="media store", verdict="good", said=said)
    host = urlsplit(address).netloc
    return Finding(
        what="media store",
        verdict="note",
        said=f"{url} takes media and gives them out at {host}, which only a sandbox on this "
        "network can reach. A vendor needs a public https address",
    )


def _speech() -> Finding:
    if is_installed():
        return Finding(what="speech", verdict="good", said="rows with only text can be spoken here")
    said = f"rows with only text need a voice: {INSTALL}, or --speech openai:URL"
    return Finding(what="speech", verdict="note", said=said)


async def _read(address: str) -> bytes:
    async with Http() as http:
        return await http.read(address, local=not is_public(address), most=PROBE_BYTES)


def _package(name: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(
            what=name, verdict="bad", said="not installed. pip install prefect-omnihuman"
        )
    if name in KNOWN_TO_BREAK:
        bound, why = KNOWN_TO_BREAK[name]
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers >= bound:
            below = ".".join(map(str, bound))
            mend = f"pip install '{name}<{below}'"
            return Finding(what=name, verdict="bad", said=f"{version}: {why}. {mend}")
    return Finding(what=name, verdict="good", said=version)


def _vendor(room: Provider, environment: Mapping[str, str]) -> Iterator[Finding]:
    if not has_key(room, environment):
        yield Finding(
            what=room.TITLE, verdict="note", said=f"no key. Set {room.KEY_VARIABLE} to use it"
        )
        return
    for variable, public in room.ADDRESSES.items():
        address = environment.get(variable) or public
        trouble = _trouble(address)
        if trouble is None:
            yield Finding(what=room.TITLE, verdict="good", said=f"key set, {address} answers")
        else:
            mend = f"Check the network, or {variable}"
            yield Finding(what=room.TITLE, verdict="bad", said=f"{address}: {trouble}. {mend}")


def _prefect(environment: Mapping[str, str]) -> Finding:
    address = environment.get("PREFECT_API_URL")
    if address is None:
        said = "no PREFECT_API_URL here: the profile's server, or a temporary one for each command"
        return Finding(what="Prefect server", verdict="good", said=said)
    trouble = _trouble(address)
    if trouble is None:
        return Finding(what="Prefect server", verdict="good", said=f"{address} answers")
    mend = "Start it (prefect server start) or unset PREFECT_API_URL"
    return Finding(what="Prefect server", verdict="bad", said=f"{address}: {trouble}. {mend}")


def _trouble(address: str) -> str | None:
    """Why nobody answers at an address; None where somebody does."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=REACH_SECONDS):
            return None
    except (OSError, ValueError) as error:
        return str(error)
