"""Image and compose file: what they promise to whoever runs them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployed import FOREIGN, KNOWN, ROOT, Instructions, exists

from cab_core.settings import SETTINGS


def last_stage(dockerfile: Instructions) -> Instructions:
    start = max(n for n, (word, _) in enumerate(dockerfile) if word == "FROM")
    return dockerfile[start:]


def test_the_image_is_small_and_runs_as_nobody_of_note(dockerfile: Instructions) -> None:
    stages = [text for word, text in dockerfile if word == "FROM"]
    assert len(stages) == 2
    final = dict(last_stage(dockerfile))
    assert "slim" in final["FROM"]
    assert final["USER"] == "10001:10001"  # a number: checkable without the image's list of users
    assert final["VOLUME"] == final["WORKDIR"] == "/data"
    assert final["STOPSIGNAL"] == "SIGTERM"


def test_the_process_gets_signals_itself(dockerfile: Instructions) -> None:
    final = dict(last_stage(dockerfile))
    entry, command = json.loads(final["ENTRYPOINT"]), json.loads(final["CMD"])  # JSON: no shell between
    assert entry == ["cab"]
    assert exists(command)


def test_the_health_check_is_a_command_of_ours(dockerfile: Instructions) -> None:
    check = dict(last_stage(dockerfile))["HEALTHCHECK"]
    words = json.loads(check.partition("CMD ")[2])
    assert words == ["cab", "health", "--ready"]
    assert exists(words[1:])


def test_everything_that_is_downloaded_is_checked_by_hash(dockerfile: Instructions) -> None:
    commands = [part for word, text in dockerfile if word == "RUN" for part in re.split(r"&&|\|", text)]
    fetching = [part for part in commands if re.search(r"\bpip (install|download|wheel)\b", part)]
    assert len(fetching) >= 3
    for part in fetching:
        assert "--require-hashes" in part or "--no-index" in part, part
    files = [word for part in fetching for word in shlex.split(part) if word.startswith("locks/")]
    assert files
    assert all((ROOT / file).is_file() for file in files)


def test_nothing_that_is_built_from_is_ignored(dockerfile: Instructions) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    folders = {
        line.removeprefix("-e ./").split("/")[0]
        for line in (ROOT / "requirements-workspace.txt").read_text().split("\n")
        if line
    }
    for name in (*folders, "requirements-workspace.txt", "locks"):
        assert f"!{name}" in ignored
    assert not any(line.startswith("!") and ".env" in line for line in ignored)


def environments(dockerfile: Instructions, compose: dict[str, Any]) -> dict[str, str]:
    text = " ".join(text for word, text in last_stage(dockerfile) if word == "ENV")
    return dict(item.split("=", 1) for item in shlex.split(text)) | compose["services"]["bot"]["environment"]


def test_every_variable_is_a_setting(dockerfile: Instructions, compose: dict[str, Any]) -> None:
    names = set(environments(dockerfile, compose))
    assert len(names) > 8
    assert not names - KNOWN - FOREIGN


def test_the_image_is_reached_without_compose_as_well(dockerfile: Instructions) -> None:
    alone = environments(dockerfile, {"services": {"bot": {"environment": {}}}})
    assert alone["HOST"] == "0.0.0.0"


def test_all_that_is_written_is_on_the_volume(dockerfile: Instructions, compose: dict[str, Any]) -> None:
    given = environments(dockerfile, compose)
    assert all(given[name].startswith("/data/") for name in ("DB_PATH", "INSTANCE_LOCK_PATH"))
    assert "data:/data" in compose["services"]["bot"]["volumes"]


def test_whatever_is_not_the_bot_is_asked_for(compose: dict[str, Any]) -> None:
    profiles = {name: service.get("profiles") for name, service in compose["services"].items()}
    assert profiles.pop("bot") is None
    servers = {name: [name] for name in ("postgresql", "redis")}
    assert profiles == servers | {name: ["monitoring"] for name in ("prometheus", "alertmanager", "grafana")}


def test_servers_are_reached_by_the_bot_alone(compose: dict[str, Any]) -> None:
    assert not any("ports" in compose["services"][name] for name in ("postgresql", "redis"))


@pytest.mark.parametrize("name", ["bot", "postgresql", "redis", "prometheus", "alertmanager", "grafana"])
def test_every_container_is_locked_down(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["init"] is True
    assert service["tmpfs"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert "privileged" not in service
    assert service.get("network_mode") is None
    for published in service.get("ports", []):
        assert published.startswith("127.0.0.1:"), published
    tag = service["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?", tag), "a tag that says which version it is"


def test_no_secret_is_in_the_environment_and_each_has_its_file(compose: dict[str, Any]) -> None:
    secrets = {row.name for row in SETTINGS if row.secret}
    bot = compose["services"]["bot"]
    assert not secrets & set(bot["environment"])
    for name, service in compose["services"].items():
        for secret in service.get("secrets", []):
            assert compose["secrets"][secret] == {"file": f"./secrets/{secret}"}, name
    named = {value.rpartition("/")[2] for key, value in bot["environment"].items() if key.endswith("_FILE")}
    assert named == set(bot["secrets"])
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_what_is_mounted_is_there(compose: dict[str, Any]) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith("./")]
    assert files
    for mount in files:
        source, _, mode = mount.split(":")
        assert (ROOT / source).exists(), source
        assert mode == "ro"
    volumes = {mount.split(":")[0] for mount in mounts if not mount.startswith("./")}
    assert volumes == set(compose["volumes"])


#: Where the parts find each other in containers, and on one machine.
ADDRESSES = (
    ("bot:8000", "127.0.0.1:8000"),
    ("prometheus:9090", "127.0.0.1:9090"),
    ("alertmanager:9093", "127.0.0.1:9093"),
    ("/run/secrets/alertmanager_token", "/etc/cab/alertmanager.token"),
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("prometheus.yml", "prometheus/prometheus.yml"),
        ("alertmanager.yml", "alertmanager/alertmanager.yml"),
        ("grafana-prometheus.yml", "grafana/provisioning/datasources/prometheus.yml"),
    ],
)
def test_the_containers_monitor_as_one_machine_does(ours: str, theirs: str) -> None:
    text = (ROOT / "ops/compose" / ours).read_text()
    for container, machine in ADDRESSES:
        text = text.replace(container, machine)
    here, there = yaml.safe_load(text), yaml.safe_load((ROOT / "ops" / theirs).read_text())
    if ours == "prometheus.yml":  # from another address a token is asked for
        assert here["scrape_configs"][0].pop("authorization") == {
            "credentials_file": "/run/secrets/metrics_token"
        }
    assert here == there


def test_the_image_has_the_version_of_the_project(compose: dict[str, Any]) -> None:
    version = re.search(r'(?m)^version = "(.+)"', (ROOT / "pyproject.toml").read_text())
    assert version is not None
    assert compose["services"]["bot"]["image"] == f"cab:{version[1]}"


def test_the_builder_gets_no_file_with_secrets() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {"**/.env*", "**/*.sqlite3*", "**/cab.toml"} <= set(ignored)
    assert Path(ROOT / "secrets").name not in {line.removeprefix("!") for line in ignored}
