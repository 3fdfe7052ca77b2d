"""The whole sandbox as one ASGI application: four wires, the shelf, the videos, the switchboard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from omnihuman_blocks.sandbox.callbacks import Callbacks
from omnihuman_blocks.sandbox.control import Control
from omnihuman_blocks.sandbox.courier import Courier
from omnihuman_blocks.sandbox.desk import Desk, Wire
from omnihuman_blocks.sandbox.downloads import Downloads
from omnihuman_blocks.sandbox.effects import Effect, Fails
from omnihuman_blocks.sandbox.engine import Engine
from omnihuman_blocks.sandbox.faults import Faults
from omnihuman_blocks.sandbox.hosting import Hosting
from omnihuman_blocks.sandbox.job import Failure, Job
from omnihuman_blocks.sandbox.making import Maker, StudioLike
from omnihuman_blocks.sandbox.media import Library
from omnihuman_blocks.sandbox.outputs import Outputs
from omnihuman_blocks.sandbox.settings import Settings, Vendor
from omnihuman_blocks.sandbox.speech import SpeechServer
from omnihuman_blocks.sandbox.wires.aimlapi import AimlapiWire
from omnihuman_blocks.sandbox.wires.fal import FalWire
from omnihuman_blocks.sandbox.wires.pixazo import PixazoWire
from omnihuman_blocks.sandbox.wires.runware import RunwareWire


class House:
    """Everything behind one port. Opens and closes with its application."""

    def __init__(
        self,
        *,
        settings: Settings,
        faults: Faults,
        studio: StudioLike,
        is_own: Callable[[str], bool],
        narrate: Callable[[str], None],
    ) -> None:
        library, courier = Library(is_own=is_own), Courier(settings)
        maker = Maker(library, studio, effects=self._effects, failure=self._failure)
        self.desk = Desk(
            settings=settings,
            engine=Engine(settings=settings, maker=maker),
            library=library,
            faults=faults,
            courier=courier,
            callbacks=Callbacks(courier, faults),
            outputs=Outputs(settings),
            narrate=narrate,
        )
        self.desk.engine.listeners.append(self._ended)
        self.wires: dict[Vendor, Wire] = {
            "runware": RunwareWire(self.desk),
            "fal": FalWire(self.desk),
            "pixazo": PixazoWire(self.desk),
            "aimlapi": AimlapiWire(self.desk),
        }
        self.speech = SpeechServer(settings)
        self.app = Starlette(routes=self._routes(), lifespan=self._lifespan)

    def _routes(self) -> list[BaseRoute]:
        return [
            *Control(self.desk, self.reset).routes(),
            *Downloads(self.desk).routes(),
            *Hosting(self.desk.library).routes(),
            *self.speech.routes(),
            *(route for wire in self.wires.values() for route in wire.routes()),
        ]

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        await self.desk.engine.close()
        await self.desk.courier.close()
        self.desk.engine.maker.studio.close()

    def reset(self) -> None:
        """No jobs, no counts, no faults; settings and media stay."""
        self.desk.engine.forget()
        self.desk.outputs.forget()
        self.desk.faults.clear()
        self.desk.requests.clear()
        self.speech.forget()

    def _effects(self, job: Job) -> tuple[Effect, ...]:
        return self.desk.faults.effects(self.desk.about(job.order.vendor, "generate", job))

    def _failure(self, vendor: Vendor, fails: Fails) -> Failure:
        return self.wires[vendor].failure(fails)

    def _ended(self, job: Job) -> None:
        charge = f"charged {job.charge_usd} USD" if job.charged else "not charged"
        became = "is done" if job.failure is None else f"failed ({job.failure.code})"
        self.desk.narrate(f"{job.order.vendor:8} #{job.number} {became}, {charge}")
        self.wires[job.order.vendor].finished(job)
