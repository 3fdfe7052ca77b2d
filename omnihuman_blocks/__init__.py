"""Catalogues of talking-avatar videos with OmniHuman on Prefect.

Public names are loaded when they are first used, so that importing the package imports no Prefect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnihuman_blocks.block_base import VideoRun
    from omnihuman_blocks.blocks import (
        AimlapiOmniHuman,
        FalOmniHuman,
        PixazoOmniHuman,
        RunwareOmniHuman,
    )
    from omnihuman_blocks.cache import JobKeyPolicy
    from omnihuman_blocks.catalogue.frames import plan_catalogue, read_catalogue
    from omnihuman_blocks.flows import (
        estimate_catalogue,
        generate_catalogue,
        reconcile,
        retry_failed,
    )
    from omnihuman_blocks.runner import EventLoopTaskRunner
    from omnihuman_blocks.speech_block import OmniHumanSpeech
    from omnihuman_blocks.tasks import await_video, download_video, generate_video, submit_video
    from omnihuman_blocks.videos import VideoClip, VideoJob, VideoReady, VideoTicket

__all__ = [
    "AimlapiOmniHuman",
    "EventLoopTaskRunner",
    "FalOmniHuman",
    "JobKeyPolicy",
    "OmniHumanSpeech",
    "PixazoOmniHuman",
    "RunwareOmniHuman",
    "VideoClip",
    "VideoJob",
    "VideoReady",
    "VideoRun",
    "VideoTicket",
    "await_video",
    "download_video",
    "estimate_catalogue",
    "generate_catalogue",
    "generate_video",
    "plan_catalogue",
    "read_catalogue",
    "reconcile",
    "retry_failed",
    "submit_video",
]

_PLACES = {
    "AimlapiOmniHuman": "blocks",
    "EventLoopTaskRunner": "runner",
    "FalOmniHuman": "blocks",
    "JobKeyPolicy": "cache",
    "OmniHumanSpeech": "speech_block",
    "PixazoOmniHuman": "blocks",
    "RunwareOmniHuman": "blocks",
    "VideoClip": "videos",
    "VideoJob": "videos",
    "VideoReady": "videos",
    "VideoRun": "block_base",
    "VideoTicket": "videos",
    "await_video": "tasks",
    "download_video": "tasks",
    "estimate_catalogue": "flows",
    "generate_catalogue": "flows",
    "generate_video": "tasks",
    "plan_catalogue": "catalogue.frames",
    "read_catalogue": "catalogue.frames",
    "reconcile": "flows",
    "retry_failed": "flows",
    "submit_video": "tasks",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - only where it is asked for

        return version("prefect-omnihuman")
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
