"""Images and compose file: real commands, real settings, pinned versions, and no more rights than needed."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from packaging.requirements import Requirement
from pydantic_settings import BaseSettings

from pipeline.observe.endpoint import Endpoint
from pipeline.observe.health import Health
from pipeline.observe.metrics import Metrics
from pipeline.settings import BusSettings, Settings
from workers.cli.main import cli

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
# Without what belongs to the machine: its secrets and its media.
FILES = [path for path in sorted(DOCKER.iterdir()) if path.is_file() and path.name != ".env"]
PROMETHEUS = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
CUDA: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.cuda.yaml").read_text())["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("rungwatch:")}
COMMANDS = [service["command"] for service in (*OURS.values(), *CUDA.values()) if "command" in service]
LONG_RUNNING = {name: service for name, service in SERVICES.items() if service["restart"] == "unless-stopped"}


def setting_variables(settings: type[BaseSettings] = Settings) -> set[str]:
    names: set[str] = set()
    for name, field in settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseSettings):
            names |= setting_variables(field.annotation)
        else:
            names.add((str(settings.model_config["env_prefix"]) + name).upper())
    return names


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def instructions(name: str) -> list[str]:
    """Return the arguments of every instruction of that name, in order, with its continuation lines."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(name + " ")]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cuda.yaml"])
def test_a_compose_file_is_one_by_the_specification(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(DOCKER / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_service_runs_a_command_that_there_is_with_options_that_it_has(words: list[str], tmp_path: Path) -> None:
    words = [str(tmp_path) if word == "/media" else word for word in words]
    command: click.Command = cli
    context = click.Context(cli, info_name="rungwatch")
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"rungwatch has no command {name!r}"
        command = found
        context = click.Context(command, info_name=name, parent=context)
    assert command.make_context(command.name, words, parent=context.parent).args == []


def test_every_variable_of_rungwatch_is_a_setting() -> None:
    used = {name for path in FILES for name in re.findall(r"\bRUNGWATCH_[A-Z0-9_]*[A-Z0-9]\b", path.read_text())}
    assert len(used) > 10
    assert used - setting_variables() == set()


def test_every_variable_of_the_compose_files_is_in_the_example_and_no_other() -> None:
    texts = [(DOCKER / name).read_text() for name in ("compose.yaml", "compose.cuda.yaml")]
    used = {name for text in texts for name in re.findall(r"\$\{([A-Z_]+)", text)}
    told = set(re.findall(r"^(?:# )?([A-Z_]+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))
    assert used - told == set()
    assert {name for name in told - used if not name.startswith(("RUNGWATCH_", "OTEL_"))} == set()


@pytest.mark.parametrize("service", OURS)
def test_a_service_is_given_longer_to_stop_than_it_takes_to_drain(service: str) -> None:
    assert seconds(OURS[service]["stop_grace_period"]) >= BusSettings().drain_seconds + 10


def test_every_image_is_pinned_by_a_version_and_those_of_ours_by_the_version_of_the_program() -> None:
    bases = [line.split()[0] for line in instructions("FROM")]
    stages = {line.split()[2] for line in instructions("FROM")}
    images = [base for base in bases if base not in stages] + [service["image"] for service in SERVICES.values()]
    for image in images:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-[a-z-]+)?", image), f"{image} is not pinned"
    for image in (service["image"] for service in OURS.values()):
        assert image.split(":")[1].startswith(version("rungwatch") + "-")


def test_the_image_has_a_target_for_the_cpu_and_one_for_cuda() -> None:
    assert {"cpu", "cuda"} <= {line.split()[2] for line in instructions("FROM")}
    assert {service["build"]["target"] for service in OURS.values()} == {"cpu"}


def test_nothing_runs_as_root() -> None:
    assert [re.fullmatch(r"[1-9]\d*:[1-9]\d*", user) is not None for user in instructions("USER")] == [True]
    assert {service["user"] for service in OURS.values()} == set(instructions("USER"))
    assert {name: SERVICES[name]["user"] for name in ("redis", "prometheus", "grafana")} == {
        "redis": "redis", "prometheus": "nobody", "grafana": "472:0",
    }  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(service: str) -> None:
    given = SERVICES[service]
    assert given["cap_drop"] == ["ALL"]
    assert given["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in given
    assert "privileged" not in given
    # Kafka's image writes its configuration beside its program when it starts, Grafana renews data sources beside its.
    assert given.get("read_only", False) is (service not in {"kafka", "grafana"})
    assert all(str(port).startswith("127.0.0.1:") for port in given.get("ports", []))
    assert all(volume.endswith(":ro") for volume in given.get("volumes", []) if volume.startswith(("$", ".", "/")))


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_a_service_that_runs_for_ever_has_a_health_check(service: str) -> None:
    if service in OURS:
        assert "healthcheck" not in OURS[service]  # that of the image
        assert len(instructions("HEALTHCHECK")) == 1
    else:
        assert LONG_RUNNING[service]["healthcheck"]["test"]


@pytest.mark.parametrize("service", sorted(set(OURS) - set(LONG_RUNNING)))
def test_a_service_that_ends_serves_no_health(service: str) -> None:
    assert OURS[service]["healthcheck"] == {"disable": True}
    assert OURS[service]["environment"]["RUNGWATCH_SERVICE_PORT"] == "0"


@pytest.mark.parametrize("job", PROMETHEUS["scrape_configs"], ids=lambda job: str(job["job_name"]))
def test_prometheus_scrapes_a_service_of_ours_on_the_port_that_the_image_serves(job: dict[str, Any]) -> None:
    (port,) = re.findall(r"RUNGWATCH_SERVICE_PORT=(\d+)", " ".join(instructions("ENV")))
    names = [(name, each["port"]) for each in job.get("dns_sd_configs", []) for name in each["names"]]
    targets = [target.split(":") for each in job.get("static_configs", []) for target in each["targets"]]
    for name, at in [*names, *targets]:
        assert (OURS[name]["restart"], str(at)) == ("unless-stopped", port)
        assert job["job_name"] == f"rungwatch-{name}"


def test_every_folder_that_is_mounted_is_there() -> None:
    mounts = [str(volume) for service in SERVICES.values() for volume in service.get("volumes", [])]
    folders = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(folders) == 2
    assert all((DOCKER / folder).is_dir() and any((DOCKER / folder).iterdir()) for folder in folders)


def test_grafana_is_given_the_services_and_the_token_that_its_data_sources_name() -> None:
    text = (DOCKER / "grafana" / "provisioning" / "datasources" / "rungwatch.yaml").read_text()
    sources = yaml.safe_load(text)["datasources"]
    assert {urlsplit(source["url"]).hostname for source in sources} == {"serve", "prometheus"}
    (prometheus,) = [source for source in sources if source["type"] == "prometheus"]
    assert prometheus["url"].endswith(":9090")
    (ours,) = [source for source in sources if source["type"] != "prometheus"]
    assert ours["type"] == SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert str(urlsplit(ours["url"]).port) in SERVICES["serve"]["command"]
    variables = re.findall(r"\$__env\{(\w+)\}", text)
    assert variables == ["RUNGWATCH_API_TOKEN"]
    assert set(variables) <= set(SERVICES["grafana"]["environment"])


def test_who_could_be_reached_from_outside_has_a_secret_that_the_user_must_choose() -> None:
    for service, name in (("serve", "RUNGWATCH_API_TOKEN"), ("grafana", "GF_SECURITY_ADMIN_PASSWORD")):
        assert re.match(r"\$\{[A-Z_]+:\?set ", SERVICES[service]["environment"][name])


def test_the_health_check_of_the_image_says_what_the_endpoint_says() -> None:
    (check,) = instructions("HEALTHCHECK")
    program, *words = json.loads(check[check.index("CMD") + 3 :])
    assert program == "python"
    clock = iter([0.0, 10.0, 100.0])
    health = Health(lambda: next(clock))
    health.heart("bus", limit_seconds=30)
    with Endpoint("127.0.0.1", 0, Metrics("1.2.3"), health) as endpoint:
        environment = os.environ | {"RUNGWATCH_SERVICE_PORT": str(endpoint.port), "no_proxy": "*"}
        command = [sys.executable, *words]
        codes = [subprocess.run(command, env=environment, capture_output=True, check=False).returncode for _ in "ab"]
    assert codes[0] == 0
    assert codes[1] != 0


def test_the_cpu_image_takes_the_release_of_torch_that_is_tested_in_its_build_without_cuda(tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text((ROOT / "constraints.txt").read_text())
    (step,) = [line for line in instructions("RUN") if line.startswith("sed ")]
    until_install = " && ".join(part.strip() for part in step.split("&&")[:2])
    subprocess.run(["bash", "-ec", until_install], cwd=tmp_path, check=True)
    asked = [Requirement(line) for line in (tmp_path / "torch.txt").read_text().splitlines()]
    tested = dict(re.findall(r"^(torch|torchvision)===(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert {each.name for each in asked} == set(tested) == {"torch", "torchvision"}
    assert all(each.specifier.contains(tested[each.name] + "+cpu") for each in asked)
    constraints = (tmp_path / "constraints.txt").read_text().splitlines()
    assert all(str(each) in constraints for each in asked)


def test_the_image_carries_the_extras_that_its_services_need(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (step,) = [line for line in instructions("RUN") if "requirements.txt" in line and line.startswith("python ")]
    command = step.replace("python ", f"{sys.executable} ", 1)
    subprocess.run(["bash", "-ec", command], cwd=tmp_path, check=True)
    asked = {Requirement(line).name for line in (tmp_path / "requirements.txt").read_text().splitlines()}
    assert {"fastapi", "kafka-python", "torch"} <= asked
    assert {"grafana-client", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= asked


def test_what_happens_is_sent_to_the_grafana_of_the_compose_file() -> None:
    service = SERVICES["annotate"]
    url = service["environment"]["RUNGWATCH_GRAFANA_URL"]
    assert urlsplit(url.removeprefix("${RUNGWATCH_GRAFANA_URL:-").removesuffix("}")).netloc == "grafana:3000"
    secrets = [
        SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"],
        service["environment"]["RUNGWATCH_GRAFANA_PASSWORD"],
    ]
    assert secrets[0] == secrets[1]
    assert service["depends_on"]["grafana"] == {"condition": "service_healthy"}


def test_what_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    let_in = {
        line.removeprefix("!")
        for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {name for line in instructions("COPY") if not line.startswith("--from") for name in line.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)


def test_no_address_of_a_package_index_is_written_down() -> None:
    here = r"127\.0\.0\.1|localhost|[a-z]+:\d"  # this machine, and names in the network of the containers
    for path in FILES:
        assert re.findall(rf"https?://(?!{here})\S+", path.read_text()) == [], path.name


def test_the_cuda_file_changes_services_that_there_are() -> None:
    assert set(CUDA) == set(OURS)
    assert {service["build"]["target"] for service in CUDA.values()} == {"cuda"}
    (device,) = CUDA["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
