"""What starts the stack is read by the programs that will read it for a user: compose, kustomize, systemd."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest
import yaml

from exporter.config.load import parse_config
from exporter.config.yaml_source import read_yaml

ROOT = pathlib.Path(__file__).parents[2]
STORES = {"influxdb", "postgres", "prometheus", "grafana"}
PROFILES = {
    "full": {"exporter", "migrate"} | STORES,
    "demo": {"simulator", "exporter-demo", "migrate"} | STORES,
    "lite": {"exporter-lite", "prometheus", "grafana-lite"},
}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]


def need(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


@pytest.fixture
def compose(tmp_path):
    """Runs docker-compose without what a person's own .env and environment say."""
    program = need("docker-compose")
    (tmp_path / "empty").touch()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [program, "--project-directory", str(ROOT), "--env-file", str(tmp_path / "empty")]
        command += ["--file", str(ROOT / "docker-compose.yml"), *arguments]
        return subprocess.run(command, env=inherited | environ, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def secrets(tmp_path):
    """What `make secrets` makes, in a copy of nothing but its script."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "secrets", tmp_path / "scripts")
    command = [tmp_path / "scripts" / "secrets"]
    environ = {"PATH": os.environ["PATH"], "DISCORD_TOKEN": "the-token"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "the-token" not in done.stdout + done.stderr
    return tmp_path


@pytest.mark.parametrize("profile", PROFILES)
def test_the_compose_file_is_valid_for_each_profile(profile, secrets, compose):
    done = compose("--profile", profile, "config", DISCORD_EXPORTER_SECRETS=str(secrets / "secrets"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_starts_what_it_says(profile):
    started = {name for name, service in SERVICES.items() if profile in service["profiles"]}
    assert started == PROFILES[profile]


def test_starting_without_secrets_stops_with_what_to_do(compose):
    done = compose("--profile", "full", "config")
    assert done.returncode != 0
    assert "run make secrets first" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_checked_and_confined(name):
    service = SERVICES[name]
    image = service["image"]
    assert image.startswith("discord-exporter:") or image.rpartition(":")[2][:1].isdigit() or ":v" in image
    assert "latest" not in image.replace("${DISCORD_EXPORTER_VERSION:-latest}", "")
    assert "healthcheck" in service or image.startswith("discord-exporter:")  # the image has its own
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    user = service.get("user", "10001" if image.startswith("discord-exporter:") else "root")
    assert user.partition(":")[0].isdigit()
    assert int(user.partition(":")[0]) > 0
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), port


def test_no_password_stands_in_the_compose_file():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable for word in ("PASSWORD", "TOKEN", "DSN")):
                simulated = variable == "DISCORD_TOKEN" and value == "simulated-token"
                assert simulated or value.startswith("/run/secrets/"), (name, variable)


def test_every_file_a_service_mounts_is_in_the_repository():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), source


def test_secrets_are_made_once_and_each_is_another(secrets):
    made = {file.name: file.read_text() for file in (secrets / "secrets").iterdir()}
    assert made["discord_token"] == "the-token"
    assert made["exporter_dsn"] == f"postgresql://exporter:{made['postgres_password']}@postgres/discord"
    passwords = [value for name, value in made.items() if "password" in name or name == "influxdb_token"]
    assert len(set(passwords)) == len(passwords) == 5
    assert all(len(password) == 40 for password in passwords)
    subprocess.run([secrets / "scripts" / "secrets"], env={"PATH": os.environ["PATH"]}, check=True)
    assert made == {file.name: file.read_text() for file in (secrets / "secrets").iterdir()}
    assert (secrets / ".env").read_text().count("COMPOSE_PROFILES=full") == 1


def test_secrets_cannot_be_entered_by_others_on_the_machine(secrets):
    assert (secrets / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_image_and_compose_give_the_exporter_a_configuration_it_takes(tmp_path):
    """The environment of the Dockerfile and of the service, over the config.yaml of the repository."""
    for secret in ("discord_token", "exporter_dsn", "influxdb_token"):
        (tmp_path / secret).write_text("postgresql://exporter:secret@postgres/discord")
    dockerfile = (ROOT / "Dockerfile").read_text()
    environ = {}
    for line in dockerfile[dockerfile.index("ENV ") + 4 :].split("\n\n")[0].splitlines():
        name, _, value = line.strip().rstrip("\\ ").partition("=")
        if name.startswith("DISCORD_"):
            environ[name] = value
    for name, value in SERVICES["exporter"]["environment"].items():
        environ[name] = str(value).replace("/run/secrets", str(tmp_path))
    config = parse_config(read_yaml((ROOT / "config.yaml").read_text(), "config.yaml"), environ)
    assert str(config.data_dir) == "/data"
    assert config.web.listen == "0.0.0.0:9464"
    assert config.sinks.influxdb.url == "http://influxdb:8086"
    assert config.sinks.sql.dsn is not None


def test_kustomize_renders_one_process_per_share_of_the_bot():
    kubectl = need("kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", ROOT / "deploy" / "kubernetes"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {document["kind"]: document for document in yaml.safe_load_all(done.stdout)}
    assert {"StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"} <= set(made)
    assert {"ServiceMonitor", "PrometheusRule"} <= set(made)
    pod = made["StatefulSet"]["spec"]["template"]["spec"]
    index = next(e for e in pod["containers"][0]["env"] if e["name"] == "DISCORD_EXPORTER_CLUSTER_INDEX")
    assert "pod-index" in index["valueFrom"]["fieldRef"]["fieldPath"]
    config = made["ConfigMap"]
    assert config["data"]["DISCORD_EXPORTER_CLUSTER_COUNT"] == str(made["StatefulSet"]["spec"]["replicas"])
    assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] == config["metadata"]["name"]
    assert made["ServiceMonitor"]["spec"]["selector"]["matchLabels"].items() <= (
        made["Service"]["metadata"]["labels"].items()
    )


def test_systemd_takes_the_unit(tmp_path):
    analyze = need("systemd-analyze")
    text = (ROOT / "deploy" / "systemd" / "discord-exporter.service").read_text()
    unit = tmp_path / "discord-exporter.service"
    unit.write_text(text.replace("/opt/discord-exporter/.venv/bin/discord-exporter", "/bin/true"))
    done = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False)
    if "No such file or directory" in done.stderr and "/run" in done.stderr:
        pytest.skip(f"systemd-analyze cannot run here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip()
