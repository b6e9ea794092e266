"""What is shipped around the code: image, composition, locks, commands, the runner's last words."""

import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import LocalSettings, Settings
from tests import run

ROOT = Path(__file__).resolve().parents[2]
KNOWN = Settings.names() | LocalSettings.names()
COMPOSE_ONLY = {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
NEEDED = {
    "MIGO_CLIENT": "acme",
    "MIGO_AMOUNT_UNIT": "minor",
    "MIGO_TOKEN": "migo-token-value",
    "MIGO_CALLBACK_SECRET": "callback-secret-1",
}
ROLES = ["web", "worker", "scheduler"]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(read("docker-compose.yml"))
    return loaded


# .env.example


def test_the_example_names_every_setting_and_nothing_else() -> None:
    named = re.findall(r"^([A-Z_]+)=", read(".env.example"), re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == KNOWN | COMPOSE_ONLY


def test_the_example_shows_the_defaults() -> None:
    example = ROOT / ".env.example"
    assert Settings.load(NEEDED, example) == Settings.load(NEEDED)
    assert LocalSettings.load({}, example) == LocalSettings.load({})


# Dockerfile


def instructions(name: str) -> list[str]:
    joined = read("Dockerfile").replace("\\\n", " ")
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [rest for keyword, rest in found if keyword == name]


def test_the_image_is_built_from_the_hashed_lock() -> None:
    installs = [line for line in instructions("RUN") if "pip install" in line]
    assert ["--require-hashes" in line for line in installs] == [True, False]
    assert "--no-deps" in installs[1]
    assert all(line.startswith("python:3.11-slim") for line in instructions("FROM"))


def test_the_image_runs_without_rights_and_writes_to_one_place() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("VOLUME") == ["/data"]
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["paybot"]
    assert json.loads(instructions("CMD")[0]) == ["serve"]
    assert not instructions("ADD")


def test_the_image_carries_no_secret() -> None:
    declared = " ".join(instructions("ENV") + instructions("ARG"))
    names = re.findall(r"([A-Z_]+)=", declared)
    assert set(names) & KNOWN == {"HOST", "PORT", "DATA_DIR", "DATABASE_URL"}
    ignored = read(".dockerignore").splitlines()
    assert ignored[0] == "*"
    assert {line for line in ignored if line.startswith("!")} == {
        "!bot",
        "!channels",
        "!pyproject.toml",
        "!README.md",
        "!requirements.lock",
    }


def test_what_the_image_copies_exists_and_is_let_through() -> None:
    passed = {line.removeprefix("!") for line in read(".dockerignore").splitlines()}
    sources = [
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in shlex.split(line)[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source in passed


def test_the_image_asks_itself_whether_it_is_well() -> None:
    (line,) = instructions("HEALTHCHECK")
    command = json.loads(line.partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "/healthz" in command[2]


# docker-compose.yml


def test_every_container_is_hardened(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] <= 256, name
        assert service["mem_limit"].endswith(("m", "g")), name
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name


def test_each_role_runs_once_after_the_migration(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [services[role]["command"] for role in ROLES] == [
        ["serve", "--roles", role] for role in ROLES
    ]
    assert services["migrate"]["command"] == ["migrate"]
    assert services["migrate"]["restart"] == "no"
    for role in ROLES:
        assert services[role]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }
        assert services[role]["restart"] == "unless-stopped"
    assert services["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_servers_are_healthy_before_they_are_used(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert "pg_isready" in services["postgres"]["healthcheck"]["test"][1]
    assert "ping" in services["redis"]["healthcheck"]["test"][1]
    assert "healthcheck" not in services["web"], "the image's own check"
    for role in ("worker", "scheduler"):
        command = services[role]["healthcheck"]["test"]
        assert command[:3] == ["CMD", "python", "-c"]
        compile(command[3], "healthcheck", "exec")
        assert "/readyz" in command[3]
        assert "METRICS_PORT" in command[3]
        assert services[role]["environment"]["METRICS_PORT"] == "9000"


def test_only_the_door_is_open_and_only_to_this_host(compose: dict[str, Any]) -> None:
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert published == {"web": ["127.0.0.1:8000-8009:8000"]}, "a range, so that it can be scaled"
    assert compose["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert compose["services"][name]["networks"] == ["inside"]


def test_redis_keeps_what_it_is_told_and_its_password_to_itself(compose: dict[str, Any]) -> None:
    command = " ".join(compose["services"]["redis"]["command"])
    assert "appendonly yes" in command
    assert "requirepass %s" in command
    assert "--requirepass" not in command


def test_the_composition_sets_only_settings_that_exist(compose: dict[str, Any]) -> None:
    for role in ROLES:
        service = compose["services"][role]
        assert set(service["environment"]) <= KNOWN
        assert service["env_file"] == [".env"]
    wanted = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", read("docker-compose.yml")))
    assert wanted == COMPOSE_ONLY


def test_docker_compose_takes_it(tmp_path: Path) -> None:
    docker = shutil.which("docker")
    has_plugin = docker and subprocess.run([docker, "compose", "version"], capture_output=True)
    if docker is None or not has_plugin or has_plugin.returncode:
        pytest.skip("optional: docker compose is not installed")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=one\nREDIS_PASSWORD=two\n")
    done = subprocess.run(
        [docker, "compose", "config", "--quiet"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


# Locks and commands


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_are_hashed_and_name_no_index(name: str) -> None:
    text = read(name).replace("\\\n", " ")
    pins = [line for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert len(pins) > 20
    assert [line for line in pins if "==" not in line or "--hash=sha256:" not in line] == []
    assert not re.search(r"^-|://", text, re.MULTILINE)


def test_locks_agree_and_cover_the_project() -> None:
    run_pins, dev_pins = (
        set(re.findall(r"^([\w.-]+)(?:\[\S+\])?==(\S+)", read(name), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert run_pins <= dev_pins
    locked = {name.lower() for name, _ in run_pins}
    wanted = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    names = {re.match(r"[\w-]+", line) for line in wanted}
    assert {match[0].lower() for match in names if match} <= locked


@pytest.mark.parametrize("target", ["demo", "test", "bench", "clean"])
def test_make_knows_the_target(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_ci_script_is_sound_and_asks_for_every_service() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert script.read_text("utf-8").rstrip().endswith("REQUIRE_SERVICES=1 make test")


# The runner


def test_a_stage_is_one_line_and_shows_its_output_only_if_it_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say = "print('said this'); raise SystemExit({code})"
    assert run._stage("good", [sys.executable, "-c", say.format(code=0)], {}).is_ok
    out = capsys.readouterr().out
    assert re.fullmatch(r"good +ok +[\d.]+ s\n", out)
    assert not run._stage("bad", [sys.executable, "-c", say.format(code=3)], {}).is_ok
    out = capsys.readouterr().out
    assert re.match(r"bad +FAILED +[\d.]+ s\nsaid this\n", out)


def test_the_runner_ends_on_pytests_closing_line_and_names_what_did_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REQUIRE_SERVICES", raising=False)
    output = "..s\nSKIPPED [2] tests/conftest.py:30: no Redis\n\n1 passed, 2 skipped in 0.1s\n\n"
    assert run._closing_line(output) == "1 passed, 2 skipped in 0.1s"
    assert "2 x tests/conftest.py:30: no Redis" in run._not_run(output)
    assert run._not_run("1 passed in 0.1s\n") == ""
