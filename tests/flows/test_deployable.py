"""What would be deployed is what stands in the files: entry point, name, runner, parameters."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.task_runners import TaskRunner

from omnihuman_blocks import flows as library
from omnihuman_blocks.runner import EventLoopTaskRunner

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

FOLDER = Path(__file__).parents[2] / "flows"
FILES = sorted(file for file in FOLDER.glob("*.py") if file.name != "serve.py")
LIBRARY: dict[str, Flow[..., Any]] = {
    "generate_catalogue": library.generate_catalogue,
    "generate_in_shards": library.generate_in_shards,
    "retry_failed": library.retry_failed,
    "estimate_catalogue": library.estimate_catalogue,
    "reconcile": library.reconcile,
}

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def decorated(file: Path) -> tuple[str, dict[str, ast.expr], ast.FunctionDef]:
    """The flow of a file as its source has it: function, options of `@flow`, definition."""
    functions = [
        node for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)
    ]
    (function,) = functions
    (decorator,) = function.decorator_list
    assert isinstance(decorator, ast.Call)
    options = {word.arg: word.value for word in decorator.keywords if word.arg}
    return function.name, options, function


def loaded(file: Path) -> Flow[..., Any]:
    """The flow as a worker loads it."""
    name, _, _ = decorated(file)
    return load_flow_from_entrypoint(f"{file}:{name}")


def test_there_is_a_file_for_every_flow_of_the_library() -> None:
    """None is forgotten."""
    assert {file.stem for file in FILES} == set(LIBRARY)


@each_file
async def test_a_deployment_points_at_its_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own entry point would take the library's options; ours has its own."""
    monkeypatch.chdir(FOLDER.parent)
    name, options, _ = decorated(file)
    deployment = await loaded(file).ato_deployment("nightly")
    assert deployment.entrypoint == f"flows/{file.name}:{name}"
    assert deployment.flow_name == ast.literal_eval(options["name"])
    assert deployment.flow_name not in {flow.name for flow in LIBRARY.values()}


@each_file
def test_the_options_in_the_file_are_those_that_run(file: Path) -> None:
    """Name, run name and runner are the ones that the source names; the result is not stored."""
    _, options, _ = decorated(file)
    flow = loaded(file)
    assert flow.name == ast.literal_eval(options["name"])
    assert flow.flow_run_name == ast.literal_eval(options["flow_run_name"])
    assert flow.persist_result is False
    own: TaskRunner[Any] = flow.task_runner
    expected: TaskRunner[Any] = LIBRARY[file.stem].task_runner
    assert type(own) is type(expected)
    assert isinstance(own, EventLoopTaskRunner) is ("task_runner" in options)
    if isinstance(own, EventLoopTaskRunner) and isinstance(expected, EventLoopTaskRunner):
        assert (own.max_concurrency, own.grace_seconds, own.on_stop) == (
            expected.max_concurrency,
            expected.grace_seconds,
            expected.on_stop,
        )


@each_file
def test_the_form_shows_the_flows_parameters(file: Path) -> None:
    """Every parameter has a plain type, and the library's flow knows it by the same name."""
    _, _, function = decorated(file)
    arguments = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]
    schema = loaded(file).parameters
    assert list(schema.properties) == arguments
    assert set(arguments) <= set(LIBRARY[file.stem].parameters.properties)
    assert set(schema.required) == set(LIBRARY[file.stem].parameters.required)
    assert all("type" in each or "anyOf" in each for each in schema.properties.values())


@each_file
def test_a_file_stays_thin(file: Path) -> None:
    """What it does stands in the library."""
    assert len(file.read_text().splitlines()) <= 60


def test_a_deployable_flow_is_one_flow_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It calls the library's function, not its flow, and what cannot start says so."""
    run: Callable[..., Any] = loaded(FOLDER / "generate_catalogue.py")
    state = run(
        str(tmp_path / "scripts.csv"),
        str(tmp_path / "avatars.csv"),
        str(tmp_path / "results"),
        "nobody",
        return_state=True,
    )
    assert state.is_failed()
    assert state.name == "CannotStart"
    assert "No vendor is called 'nobody'" in state.message
