# ruff: noqa: T201 - a bench prints
"""How many requests the sandbox answers while a thousand jobs wait and their videos are made.

    python bench/sandbox_speed.py [--jobs 1000] [--seconds 5] [--connections 8]

The sandbox runs as a command of its own. Two figures are printed: answers per second as the clients
saw them, which depends on what else the machine does, and answers per second of the server's own
processor time, which does not: that is what one core to itself would give.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import time
import uuid
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image


@dataclass
class Wire:
    """One connection that costs the client next to nothing."""

    host: str
    port: int
    head: str
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of the answer; RuntimeError where it is not 2xx."""
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        head = f"{method} {path} HTTP/1.1\r\n{self.head}Content-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"content-length: ")[1].split(b"\r\n")[0])
        said = await self.reader.readexactly(length)
        if not answer.startswith(b"http/1.1 2"):
            raise RuntimeError(f"{method} {path}: {said[:200]!r}")
        return said


@dataclass
class Server:
    """The sandbox, its addresses, and its processor time."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    @classmethod
    def start(cls, *words: str) -> Server:
        """As a user starts it."""
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "omnihuman_blocks", "sandbox", "--quiet", *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
        lines = [process.stdout.readline().strip() for _ in range(10)]
        return cls(process, dict(line.split("=", 1) for line in lines))

    def wire(self) -> Wire:
        """A connection with the key."""
        address = urlsplit(self.environment["OMNIHUMAN_SANDBOX_URL"])
        key = self.environment["RUNWARE_API_KEY"]
        head = f"Host: {address.netloc}\r\nAuthorization: Bearer {key}\r\n"
        return Wire(address.hostname or "", address.port or 0, head)

    def processor_seconds(self) -> float:
        """Of the server alone: its rendering processes are others."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@dataclass
class Waits:
    """How long answers took."""

    seconds: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> float:
        """The wait that this share of the answers did not exceed."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def voice(number: int) -> bytes:
    """Two seconds that no other row has."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(number.to_bytes(4, "little") * 8000)
    return file.getvalue()


def portrait() -> bytes:
    """One face for all."""
    file = io.BytesIO()
    Image.new("RGB", (640, 640), "tan").save(file, "PNG")
    return file.getvalue()


async def buy(server: Server, names: Sequence[str], connections: int) -> None:
    """As many jobs as there are names, into the queue of Runware."""
    base = server.environment["OMNIHUMAN_SANDBOX_URL"]
    await server.wire().ask("PUT", "/media/face.png", portrait())
    numbers = iter(range(len(names)))

    async def work() -> None:
        wire = server.wire()
        for number in numbers:
            await wire.ask("PUT", f"/media/{number}.wav", voice(number))
            task = {
                "taskType": "videoInference",
                "taskUUID": names[number],
                "model": "bytedance:5@2",
                "inputs": {
                    "image": f"{base}/media/face.png",
                    "audio": f"{base}/media/{number}.wav",
                },
            }
            await wire.ask("POST", "/runware/v1", json.dumps([task]).encode())

    await asyncio.gather(*(work() for _ in range(connections)))


async def measure(
    server: Server, body: Callable[[int], bytes], seconds: float, connections: int
) -> tuple[Waits, float]:
    """Each connection asks again as soon as it is answered; waits, and the server's own time."""
    waits, end, turns = Waits(), time.perf_counter() + seconds, iter(range(10**9))
    before = server.processor_seconds()

    async def ask_on() -> None:
        wire = server.wire()
        while time.perf_counter() < end:
            sent = body(next(turns))
            began = time.perf_counter()
            await wire.ask("POST", "/runware/v1", sent)
            waits.seconds.append(time.perf_counter() - began)

    await asyncio.gather(*(ask_on() for _ in range(connections)))
    return waits, server.processor_seconds() - before


def polls(names: Sequence[str], together: int) -> Callable[[int], bytes]:
    """`getResponse` for one job after the other, `together` in one request."""

    def body(turn: int) -> bytes:
        these = (names[(turn * together + extra) % len(names)] for extra in range(together))
        tasks = [{"taskType": "getResponse", "taskUUID": name} for name in these]
        return json.dumps(tasks).encode()

    return body


async def run(arguments: argparse.Namespace, server: Server) -> None:
    """The table."""
    names = [str(uuid.uuid4()) for _ in range(arguments.jobs)]
    began, before = time.perf_counter(), server.processor_seconds()
    await buy(server, names, arguments.connections)
    took, spent = time.perf_counter() - began, server.processor_seconds() - before
    rates = f"{len(names) / took:6.0f}/s seen, {len(names) / spent:6.0f} per processor second"
    print(f"buying {len(names)} jobs   {rates}")
    for together in (1, 50):
        body = polls(names, together)
        waits, spent = await measure(server, body, arguments.seconds, arguments.connections)
        count = len(waits.seconds)
        print(
            f"{together:3} polls a request  {count / arguments.seconds:6.0f}/s seen, "
            f"{count / spent:6.0f} per processor second; median "
            f"{waits.milliseconds(0.5):.1f} ms, 99 % within {waits.milliseconds(0.99):.1f} ms"
        )
    counts = json.loads(await server.wire().ask("GET", "/control/counts"))
    states = [bought["state"] for bought in counts["purchases"]]
    print("at the end:", {state: states.count(state) for state in sorted(set(states))})


def main() -> None:
    """Measures and prints."""
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--jobs", type=int, default=1000)
    words.add_argument("--seconds", type=float, default=5.0)
    words.add_argument("--connections", type=int, default=8)
    arguments = words.parse_args()
    server = Server.start("--time-scale", "10")
    try:
        asyncio.run(run(arguments, server))
    finally:
        server.process.terminate()
        server.process.wait()


if __name__ == "__main__":
    main()
