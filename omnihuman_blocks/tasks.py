"""The walk's steps as Prefect tasks, for anybody's flow: submit, await, download, or all at once.

They are async. From code that does not await, a call runs to its end and returns the answer: in a
sync flow or task, or in a script. In an async flow a call is awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from prefect import get_run_logger
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import FlowRunContext, TaskRunContext
from prefect.tasks import Task

from omnihuman_blocks import one_video
from omnihuman_blocks.block_base import VendorBlock
from omnihuman_blocks.cache import JobKeyPolicy
from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.loop.calling import is_awaiting, run_to_end
from omnihuman_blocks.videos import VideoClip, VideoJob, VideoReady, VideoTicket

P = ParamSpec("P")
R = TypeVar("R")

OF_A_JOB = ("prompt", "mask", "options")


class VideoTask(Task[P, R]):
    """An async task that may also be called from sync code.

    Prefect hands sync code a coroutine that nobody there can await. `submit` and `map` are as
    Prefect has them.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The answer, or in awaiting code a coroutine that gives it."""
        call = super().__call__
        if _caller_awaits():
            return call(*args, **kwargs)
        return run_to_end(lambda: call(*args, **kwargs))

    def with_options(self, *args: Any, **options: Any) -> Any:
        """A copy with other options that can be called in the same two ways."""
        copied = super().with_options(*args, **options)
        copied.__class__ = type(self)
        return copied


def _caller_awaits() -> bool:
    """What the innermost flow or task is; outside of any, whether an event loop runs here."""
    if (task_run := TaskRunContext.get()) is not None:
        return task_run.task.isasync
    if (flow_run := FlowRunContext.get()) is not None and flow_run.flow is not None:
        return flow_run.flow.isasync
    return is_awaiting()


def _video_task(name: str, policy: CachePolicy) -> Callable[[Callable[P, R]], VideoTask[P, R]]:
    """Nothing is persisted under NO_CACHE. Retries are safe and left to whoever calls."""
    return lambda walk: VideoTask(fn=walk, name=name, cache_policy=policy)


@_video_task("submit-video", NO_CACHE)
async def submit_video(
    vendor: VendorBlock,
    image: str | None = None,
    audio: str | None = None,
    *,
    prompt: str | None = None,
    mask: str | None = None,
    variant: int = 1,
    options: Mapping[str, Any] | None = None,
    job: VideoJob | None = None,
    again: bool = False,
) -> VideoTicket:
    """Buys one video, unless the block's ledger knows that it is bought already.

    Never answered by Prefect's cache: a kept ticket may be dead. Asking twice buys once.

    Args:
        vendor: A vendor's block.
        image: Path or address of the avatar's picture.
        audio: Path or address of what it says.
        prompt: What the scene should look like, where the model takes a prompt.
        mask: Path or address of a mask, where the model takes one.
        variant: Which take; another number is another video of the same.
        options: The vendor's options by name, over those of the block.
        job: What `vendor.plan(...)` returned, in place of all of these.
        again: Buy a failed video once more, where the last try cost nothing.
    """
    job = await _planned(
        vendor, job, image, audio, prompt=prompt, mask=mask, variant=variant, options=options
    )
    ticket = await one_video.submit(vendor, job, again=again)
    get_run_logger().info("%s has job %s as %s", job.provider, job.key[:12], ticket.ticket)
    return ticket


@_video_task("await-video", JobKeyPolicy(subject="ticket"))
async def await_video(vendor: VendorBlock, ticket: VideoTicket) -> VideoReady:
    """Waits until the vendor has made a video. Buys nothing.

    Prefect keeps the answer by key and attempt, for as long as the video's address answers.
    """
    return await one_video.wait(vendor, ticket)


@_video_task("download-video", JobKeyPolicy(subject="ready"))
async def download_video(vendor: VendorBlock, ready: VideoReady | VideoTicket) -> VideoClip:
    """Fetches a video, decodes it to its end and compares it with its audio. Buys nothing.

    An address that has expired is asked for again. Prefect keeps the answer by key and attempt,
    for as long as the file is there.
    """
    return await one_video.download(vendor, ready)


@_video_task("generate-video", JobKeyPolicy(subject="job"))
async def generate_video(
    vendor: VendorBlock,
    image: str | None = None,
    audio: str | None = None,
    *,
    prompt: str | None = None,
    mask: str | None = None,
    variant: int = 1,
    options: Mapping[str, Any] | None = None,
    job: VideoJob | None = None,
    again: bool = False,
) -> VideoClip:
    """The whole way: a checked video, bought at most once. Arguments as of `submit_video`.

    Prefect keeps the answer by key, for as long as the file is there.
    """
    job = await _planned(
        vendor, job, image, audio, prompt=prompt, mask=mask, variant=variant, options=options
    )
    clip = await one_video.generate(vendor, job, again=again)
    get_run_logger().info("Job %s is %s, for $%s", job.key[:12], clip.path, clip.cost_usd)
    return clip


async def _planned(
    vendor: VendorBlock, job: VideoJob | None, image: str | None, audio: str | None, **wanted: Any
) -> VideoJob:
    if job is None:
        if image is None or audio is None:
            raise CannotStart("Give image and audio, or a job from `vendor.plan(...)`.")
        return await vendor.aplan(image, audio, **wanted)
    if image is not None or audio is not None or any(wanted[name] for name in OF_A_JOB):
        raise CannotStart("A job says everything about its video. Give nothing beside it.")
    return job
