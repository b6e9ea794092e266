"""The real servers that tests talk to: found where they run, or started for one run.

Also `eventually`, the one way in which tests wait.
"""

import asyncio
import inspect
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import LiteralString

import psycopg
import redis
from psycopg import sql

DEFAULT_POSTGRES_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
START_S = 30.0
POLL_S = 0.02


async def eventually(
    condition: Callable[[], bool | Awaitable[bool]], within_s: float = 15.0
) -> None:
    """Wait until `condition` holds, asking every 20 ms; it may be a coroutine function.

    Raises:
        AssertionError: it did not hold within `within_s` seconds.
    """
    deadline = time.monotonic() + within_s
    while True:
        held = condition()
        if await held if inspect.isawaitable(held) else held:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {within_s} s: {inspect.getsource(condition)}")
        await asyncio.sleep(POLL_S)


def services_are_required() -> bool:
    """Whether a test that cannot run counts as failed."""
    return os.environ.get("REQUIRE_SERVICES", "") not in {"", "0"}


def find_postgres(environ: Mapping[str, str]) -> str | None:
    """The URL of a PostgreSQL server where databases may be created, or None.

    One that is named in `TEST_POSTGRES_URL` is taken at its word.
    """
    if given := environ.get("TEST_POSTGRES_URL"):
        return given
    return DEFAULT_POSTGRES_URL if _postgres_answers(DEFAULT_POSTGRES_URL) else None


def find_redis(environ: Mapping[str, str]) -> str | None:
    """The URL of a Redis server, or None; one named in `TEST_REDIS_URL` is taken at its word."""
    if given := environ.get("TEST_REDIS_URL"):
        return given
    return DEFAULT_REDIS_URL if _redis_answers(DEFAULT_REDIS_URL) else None


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Create a database of our own on the server, give its URL, and drop it."""
    name = f"paybot_test_{secrets.token_hex(6)}"
    _administer(server_url, "CREATE DATABASE {}", name)
    try:
        yield re.sub(r"^(\w+://[^/?]*)(/[^?]*)?", rf"\1/{name}", server_url)
    finally:
        _administer(server_url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _administer(server_url: str, statement: LiteralString, database: str) -> None:
    with psycopg.connect(server_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(database)))


def free_port() -> int:
    """A loopback port that nobody listens on now, and that the system gives to no connection.

    One of those that it gives away may be somebody's by the time that a server takes it.
    """
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    given_from = int(range_file.read_text().split()[0]) if range_file.exists() else 32_768
    for _ in range(100):
        port = _FIRST_PORT + secrets.randbelow(given_from - _FIRST_PORT)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


_FIRST_PORT = 10_000


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that also the unprivileged user of a server may enter, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="paybot-test-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class RedisServer:
    """A redis-server process of our own: killed, paused and restarted at will."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [
            *(binary, "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--save", "", "--appendonly", "no", "--dir", str(folder), "--loglevel", "warning"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        _await_answer("redis-server", lambda: _redis_answers(self.url), self._process)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def redis_binary() -> str | None:
    """Where redis-server is, or None."""
    return shutil.which("redis-server")


@contextmanager
def started_redis(folder: Path) -> Iterator[str | None]:
    """Run redis-server on a free port and give its URL; None where it is not installed."""
    binary = redis_binary()
    if binary is None:
        yield None
        return
    server = RedisServer(binary, folder)
    try:
        server.start()
        yield server.url
    finally:
        server.kill()


class PostgresServer:
    """A PostgreSQL of our own, thrown away with its folder: stopped and restarted at will."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._binaries = binaries
        self._folder = folder
        self._data = folder / "postgres"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        self._fill("initdb", "-U", "postgres", "-A", "trust", "--no-sync")

    def copy(self, primary: "PostgresServer") -> None:
        """Become a standby of another one, whatever this was before; it is not started yet."""
        shutil.rmtree(self._data, ignore_errors=True)
        options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        self._fill("pg_basebackup", *options, "--dbname", primary.url)

    def promote(self) -> None:
        """Stop following, and take writes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def _fill(self, program: str, *options: str) -> None:
        """Have a program make the data."""
        self._data.mkdir(mode=0o700)
        user = _server_user()
        if user is not None:
            shutil.chown(self._data, user)
        command = [str(self._binaries / program), "-D", str(self._data), *options]
        if _spawn(command, user, self._folder).wait(START_S):
            raise RuntimeError(f"{program}: {(self._folder / f'{program}.log').read_text()}")

    def start(self) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        postgres = str(self._binaries / "postgres")
        command = [postgres, "-D", str(self._data), "-p", str(self.port)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._process = _spawn(command, _server_user(), self._folder)
        _await_answer("postgres", lambda: _postgres_answers(self.url), self._process)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop; SIGINT ends all sessions in order, SIGQUIT is the crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=START_S)
            self._process = None

    def pause(self) -> None:
        """Let it answer nobody: neither its sessions nor who comes anew."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        # Its own process first, so that no session is born or missed while the others follow.
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, number)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in map(int, children):
            with suppress(ProcessLookupError):
                os.kill(child, number)


def postgres_server(folder: Path) -> PostgresServer | None:
    """A server to be created and started; None where PostgreSQL is not installed."""
    binaries = postgres_binaries()
    return None if binaries is None else PostgresServer(binaries, folder)


@contextmanager
def started_postgres(folder: Path) -> Iterator[str | None]:
    """Run a throw-away PostgreSQL on a free port and give its URL; None where not installed."""
    server = postgres_server(folder)
    if server is None:
        yield None
        return
    server.create()
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres: on PATH, else the newest of Debian's folders."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    by_version = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in [*folders, *by_version]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def _server_user() -> str | None:
    """Whom to run PostgreSQL as: it refuses root. None is whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _spawn(command: list[str], user: str | None, folder: Path) -> subprocess.Popen[bytes]:
    entry = pwd.getpwnam(user) if user else None
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd="/",
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
        )


def _postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
    except psycopg.Error:
        return False
    return row == (True,)


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _await_answer(name: str, answers: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start (exit code {process.poll()})")
        time.sleep(POLL_S)
