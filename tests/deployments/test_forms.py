"""Files that nobody runs here are at least well-formed: what they name is there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prefect import Flow
from prefect.cli._app import _app as prefect_commands
from prefect.flows import load_flow_from_entrypoint
from prefect.settings import Settings
from prefect.settings.legacy import _get_settings_fields

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deployments"
DEPLOYED: dict[str, Any] = yaml.safe_load((FOLDER / "prefect.yaml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SETTINGS = dict(
    line.split("=", 1)
    for line in (FOLDER / "settings.env").read_text().splitlines()
    if not line.startswith("#")
)
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
each_deployment = pytest.mark.parametrize(
    "deployment", DEPLOYED["deployments"], ids=lambda one: one["name"]
)


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    return load_flow_from_entrypoint(f"{ROOT}/{deployment['entrypoint']}")


def test_every_flow_is_deployed() -> None:
    """None is forgotten, and none has a limit that a server's restart could end a run with."""
    entrypoints = {one["entrypoint"].partition(":")[0] for one in DEPLOYED["deployments"]}
    files = {f"flows/{file.name}" for file in (ROOT / "flows").glob("*.py")}
    assert entrypoints == files - {"flows/serve.py"}
    assert all("concurrency_limit" not in one for one in DEPLOYED["deployments"])


@each_deployment
def test_a_deployment_names_parameters_that_its_flow_has(deployment: dict[str, Any]) -> None:
    """Those that are required are there."""
    parameters = flow_of(deployment).parameters
    given = deployment["parameters"]
    assert set(given) <= set(parameters.properties)
    assert set(given) >= set(parameters.required)


@each_deployment
def test_money_that_nobody_watches_has_a_bound(deployment: dict[str, Any]) -> None:
    """What buys has a budget."""
    if "budget" in flow_of(deployment).parameters.properties:
        assert deployment["parameters"]["budget"] > 0
        assert "buys" in deployment["tags"]


def test_every_word_to_fill_in_is_explained() -> None:
    """A variable that settings.env does not know would be deployed as an empty text."""
    text = (FOLDER / "prefect.yaml").read_text().partition("\ndefinitions:")[2]
    assert set(re.findall(r"\{\{ \$(\w+) \}\}", text)) == set(SETTINGS)
    assert set(re.findall(r"\$\{(OMNIHUMAN_\w+)", (FOLDER / "compose.yaml").read_text())) <= set(
        SETTINGS
    )


def test_compose_knows_prefects_settings() -> None:
    """Every setting has a name that this Prefect reads."""
    known = set(_get_settings_fields(Settings))
    for name, service in COMPOSE["services"].items():
        for variable in service.get("environment", {}):
            assert not variable.startswith("PREFECT_") or variable in known, (name, variable)


def test_compose_starts_what_is_there() -> None:
    """Images, commands, and services that wait for services."""
    services = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    build = services["worker"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()
    assert not [
        service["image"] for service in services.values() if "latest" in service["image"]
    ], "an image that changes by itself"
    words = [*commands_in(services), *commands_in_dockerfile()]
    assert len(words) == 6
    for command in words:
        assert_can_be_typed(command)


def commands_in(services: dict[str, Any]) -> list[list[str]]:
    found = []
    for service in services.values():
        command = [
            re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word).replace("$$", "$")
            for word in service.get("command", [])
        ]
        script = command[-1].splitlines() if command[:1] == ["sh"] else []
        found += [shlex.split(line) for line in script] or [command] * bool(command)
    return found


def commands_in_dockerfile() -> list[list[str]]:
    (written,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return [yaml.safe_load(written)]


def assert_can_be_typed(command: list[str]) -> None:
    """Prefect's own parser takes it, or it is one of our modules."""
    if command[:2] == ["python", "-m"]:
        assert (ROOT / f"{command[2].replace('.', '/')}.py").is_file()
    else:
        assert command[0] == "prefect"
        words = [word for word in command[1:] if word != "--no-prompt"]  # of the session, not of it
        prefect_commands.parse_args(words, exit_on_error=False, print_error=False)


def test_the_image_is_built_from_what_is_there() -> None:
    """Everything that is copied exists, and flows/ is among it."""
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if line.startswith("COPY")]
    sources = [source for line in copied for source in line]
    assert all((ROOT / source).exists() for source in sources)
    assert {"flows", "deployments", "requirements.lock"} <= set(sources)


def test_serving_and_deploying_are_the_same_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, schedules and parameters of `python -m flows.serve` are those of prefect.yaml."""
    monkeypatch.syspath_prepend(ROOT)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    from flows import serve  # noqa: PLC0415 - a folder of the clone

    said: argparse.Namespace = serve.words().parse_args([])
    served = {one.name: one for one in serve.deployments(said)}
    assert set(served) == {one["name"] for one in DEPLOYED["deployments"]}
    for deployment in DEPLOYED["deployments"]:
        other = served[deployment["name"]]
        assert str(other.entrypoint).endswith(deployment["entrypoint"])
        assert set(other.parameters) == set(deployment["parameters"])
        written = [(one["cron"], one["slug"]) for one in deployment.get("schedules", [])]
        planned = [(getattr(one.schedule, "cron", None), one.slug) for one in other.schedules or []]
        assert planned == written
