"""`omnihuman sandbox` as a user starts and stops it, and the fixture that users get."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from omnihuman_blocks.cli import main

pytest_plugins = ["pytester"]

NAMES = [
    "RUNWARE_API_KEY",
    "FAL_KEY",
    "PIXAZO_API_KEY",
    "AIMLAPI_API_KEY",
    "OMNIHUMAN_RUNWARE_URL",
    "OMNIHUMAN_FAL_URL",
    "OMNIHUMAN_FAL_REST_URL",
    "OMNIHUMAN_PIXAZO_URL",
    "OMNIHUMAN_AIMLAPI_URL",
    "OMNIHUMAN_SANDBOX_URL",
    "OMNIHUMAN_SANDBOX_SPEECH_URL",
    "OMNIHUMAN_SPEECH_KEY",
]
SECONDS = 60


@contextmanager
def command(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A running command and the environment that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "omnihuman_blocks", "sandbox", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in NAMES]
        yield process, dict(line.split("=", 1) for line in lines)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=SECONDS)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_serves_and_ends_cleanly(name: signal.Signals) -> None:
    """NAME=value lines first, then answers at those addresses; 0 and silence at the end."""
    with command("--port", "0") as (process, environment):
        assert list(environment) == NAMES
        assert ":" in environment["FAL_KEY"]
        url = environment["OMNIHUMAN_SANDBOX_URL"]
        assert httpx.get(f"{url}/control/counts").json()["purchases"] == []
        answer = httpx.post(
            environment["OMNIHUMAN_RUNWARE_URL"] + "/v1",
            headers={"Authorization": f"Bearer {environment['RUNWARE_API_KEY']}"},
            json=[{"taskType": "ping"}],
        )
        assert answer.json() == {"data": [{"taskType": "ping", "pong": True}]}
        process.send_signal(name)
        rest, errors = process.communicate(timeout=SECONDS)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_it_ends_while_a_client_is_waiting(tmp_path: Path, until: Callable[..., Any]) -> None:
    """An answer that never ends does not keep the command alive."""
    file = tmp_path / "faults.json"
    file.write_text(json.dumps([{"effect": {"kind": "slow", "seconds": 3600}}]), encoding="utf-8")
    with command("--faults", str(file)) as (process, environment):
        url = environment["OMNIHUMAN_SANDBOX_URL"]
        with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0)) as waiting:
            waiting.sendall(
                f"GET /aimlapi/v2/logs?period=1h HTTP/1.1\r\nHost: x\r\n"
                f"Authorization: Bearer {environment['AIMLAPI_API_KEY']}\r\n\r\n".encode()
            )
            until(lambda: httpx.get(f"{url}/control/counts").json()["faults"]["rule-1"])
            process.terminate()
            process.wait(timeout=SECONDS)
    assert process.returncode == 0


def test_settings_and_faults_come_from_files_and_words(tmp_path: Path) -> None:
    """Words win over the file."""
    faults = tmp_path / "faults.json"
    faults.write_text('{"rules": [{"id": "f", "effect": {"kind": "stuck"}}]}', encoding="utf-8")
    settings = tmp_path / "settings.json"
    changes = {"time_scale": 9, "fal": {"slots": 7}, "runware": {"failures": "item"}}
    settings.write_text(json.dumps(changes), encoding="utf-8")
    words = ["--faults", str(faults), "--settings", str(settings), "--time-scale", "0.5"]
    with command(*words) as (_process, environment):
        url = environment["OMNIHUMAN_SANDBOX_URL"]
        shown = httpx.get(f"{url}/control/settings").json()
        rules = httpx.get(f"{url}/control/faults").json()["rules"]
    assert (shown["time_scale"], shown["fal"]["slots"]) == (0.5, 7)
    assert (shown["runware"]["failures"], shown["runware"]["slots"]) == ("item", 10)
    assert [rule["id"] for rule in rules] == ["f"]


def test_a_port_can_be_chosen_and_must_be_free(capsys: pytest.CaptureFixture[str]) -> None:
    """The address has the port; one that is taken is named, with exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["sandbox", "--port", str(port)]) == 2
        assert f"port {port} cannot be had" in capsys.readouterr().err
    with command("--port", str(port)) as (_process, environment):
        assert environment["OMNIHUMAN_SANDBOX_URL"] == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("not json", "is not JSON"),
        ('[{"effect": {"kind": "nonsense"}}]', "effect"),
    ],
)
def test_a_bad_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, said: str
) -> None:
    """Exit code 2 and what is wrong, without a traceback."""
    file = tmp_path / "faults.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert main(["sandbox", "--faults", str(file)]) == 2
    error = capsys.readouterr().err
    assert str(file) in error
    assert said in error


@pytest.mark.parametrize(
    "words", [["--port", "70000"], ["--workers", "0"], ["--port", "x"], ["--quality", "best"], []]
)
def test_words_that_mean_nothing_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """Exit code 2 and the reason; without a command too."""
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", *words] if words else [])
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", '{"colour": 1}', '{"fal": 3}'])
def test_bad_settings_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """Exit code 2, without a traceback."""
    file = tmp_path / "settings.json"
    file.write_text(text, encoding="utf-8")
    assert main(["sandbox", "--settings", str(file), "--slots", "3"]) == 2
    assert "settings" in capsys.readouterr().err


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of the program and of the command."""
    for words in (["--help"], ["sandbox", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
    assert "example:" in capsys.readouterr().out


# --- the fixture --------------------------------------------------------------------------------


def test_the_fixture_serves_and_sets_the_environment(
    omnihuman_sandbox: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and addresses of the sandbox are in the environment of the test."""
    from omnihuman_blocks.sandbox.server import Sandbox  # noqa: PLC0415

    assert isinstance(omnihuman_sandbox, Sandbox)
    assert os.environ["OMNIHUMAN_SANDBOX_URL"] == omnihuman_sandbox.url
    assert httpx.get(f"{os.environ['OMNIHUMAN_SANDBOX_URL']}/control/counts").status_code == 200
    assert omnihuman_sandbox.counts().accepted() == 0


def test_the_plugin_costs_nothing_to_other_suites(pytester: pytest.Pytester) -> None:
    """A suite that does not ask for the fixture imports neither server nor decoder."""
    pytester.makepyfile(
        """
        import sys

        def test_nothing_was_imported():
            slow = {"starlette", "uvicorn", "av", "prefect", "httpx", "pydantic"}
            assert not slow & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["plugins:*omnihuman*"])
    result.assert_outcomes(passed=1)
