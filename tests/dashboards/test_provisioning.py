"""Data sources and providers: what Grafana makes of them with the environment that the compose file sets."""

from __future__ import annotations

import re

import pytest
import yaml

from dashboards.provisioning import FOLDER_UIDS, TYPES, Source
from tests.dashboards.committed import PROVISIONING, ROOT, VARIANTS

GRAFANA = {"full": "grafana", "lite": "grafana-lite"}


def sources(variant: str) -> list[dict]:
    return yaml.safe_load((PROVISIONING / variant / "datasources/discord.yaml").read_text())["datasources"]


def service(variant: str) -> dict:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][GRAFANA[variant]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variable_is_one_that_the_compose_file_sets(variant):
    text = (PROVISIONING / variant / "datasources/discord.yaml").read_text()
    used = set(re.findall(r"\$([A-Z]\w*)", text))
    assert used
    assert used <= service(variant)["environment"].keys()


@pytest.mark.parametrize("variant", VARIANTS)
def test_secrets_come_from_files_that_the_container_is_given(variant):
    for source in sources(variant):
        for value in source.get("secureJsonData", {}).values():
            found = re.fullmatch(r"\$__file\{/run/secrets/(\w+)\}", value)
            assert found, "a secret stands in the file"
            assert found[1] in service(variant)["secrets"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_uids_and_types_are_those_of_the_panels_and_nothing_else_is_there(variant):
    found = {source["uid"]: source["type"] for source in sources(variant)}
    database = Source.POSTGRES if variant == "full" else Source.SQLITE
    wanted = {Source.PROMETHEUS, database} | ({Source.INFLUX} if variant == "full" else set())
    assert found == {str(uid): TYPES[uid] for uid in wanted}
    assert [source["uid"] for source in sources(variant) if source.get("isDefault")] == [Source.PROMETHEUS]
    assert all(source["editable"] is False for source in sources(variant))


def test_what_grafana_reads_only_in_its_details_is_there():
    found = {source["uid"]: source["jsonData"] for source in sources("full") + sources("lite")}
    assert found[Source.POSTGRES]["database"] == "$PGDATABASE"
    assert found[Source.INFLUX]["version"] == "Flux"
    assert found[Source.SQLITE]["pathPrefix"] == "file:"
    assert found[Source.SQLITE]["pathOptions"] == "mode=ro"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_interval_set_in_grafana_is_that_of_the_scrapes(variant):
    settings = yaml.safe_load((PROVISIONING / "prometheus/prometheus.yml").read_text())
    prometheus = next(source for source in sources(variant) if source["uid"] == Source.PROMETHEUS)
    assert prometheus["jsonData"]["timeInterval"] == settings["global"]["scrape_interval"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_folder_of_dashboards_has_a_provider_and_an_address_that_stays(variant):
    providers = yaml.safe_load((PROVISIONING / variant / "dashboards/discord.yaml").read_text())["providers"]
    mounted = next(
        volume.split(":")[1] for volume in service(variant)["volumes"] if f"dashboards/{variant}" in volume
    )
    folders = {path.name for path in (PROVISIONING / "dashboards" / variant).iterdir()}
    assert {provider["options"]["path"] for provider in providers} == {
        f"{mounted}/{name}" for name in folders
    }
    assert {provider["folder"]: provider["folderUid"] for provider in providers} == {
        str(folder): uid for folder, uid in FOLDER_UIDS.items()
    }
    assert not any(provider["allowUiUpdates"] for provider in providers)
