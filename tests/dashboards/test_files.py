"""The files in provisioning are what the code writes, byte for byte, and Grafana's own parser keeps them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from grafana_foundation_sdk.cog import plugins

from dashboards.output import files, write
from dashboards.pages import pages
from dashboards.postprocess import IDS, panel_id
from dashboards.sdk import encoder, models
from tests.dashboards.committed import DASHBOARDS, PROVISIONING, ROOT, VARIANTS

UIDS = {
    "discord-guild",
    "discord-moderation",
    "discord-growth",
    "discord-leaderboards",
    "discord-voice",
    "discord-channels",
    "discord-member",
    "discord-fleet",
    "discord-exporter",
}
"""Bookmarks, alerts and other people's links name these: they may be added to, never changed."""


@pytest.mark.parametrize("name", sorted(files()))
def test_a_committed_file_is_the_one_the_code_writes(name):
    assert (ROOT / name).read_text() == files()[name], "run: make dashboards"


def test_no_dashboard_is_left_that_the_code_does_not_write():
    there = {path.relative_to(ROOT).as_posix() for path in (PROVISIONING / "dashboards").rglob("*.json")}
    assert there == {name for name in files() if name.endswith(".json")}


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path):
    command = [sys.executable, "-m", "dashboards", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "7"}, timeout=100)
    for name, text in files().items():
        assert (tmp_path / name).read_bytes() == text.encode()


def test_a_dashboard_that_is_no_more_is_removed(tmp_path):
    gone = tmp_path / "provisioning/dashboards/full/Community/discord-gone.json"
    gone.parent.mkdir(parents=True)
    gone.write_text("{}")
    write(tmp_path)
    assert not gone.exists()
    assert list(tmp_path.rglob("*.new")) == []


def test_both_variants_have_the_same_dashboards_under_their_frozen_uids():
    for variant in VARIANTS:
        assert {found.uid for found in DASHBOARDS if found.variant == variant} == UIDS


def test_the_home_dashboard_is_where_the_compose_file_looks_for_it():
    compose = (ROOT / "docker-compose.yml").read_text()
    assert "/etc/grafana/dashboards/Community/discord-guild.json" in compose
    for variant in VARIANTS:
        assert (PROVISIONING / f"dashboards/{variant}/Community/discord-guild.json").exists()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda found: f"{found.variant}-{found.uid}")
def test_the_sdk_reads_a_dashboard_without_losing_a_panel(dashboard):
    plugins.register_default_plugins()
    read = models.Dashboard.from_json(dashboard.model)
    again = json.loads(json.dumps(read, cls=encoder.JSONEncoder))
    assert [panel["id"] for panel in again["panels"]] == [panel["id"] for panel in dashboard.model["panels"]]
    assert again["uid"] == dashboard.uid


def test_an_id_follows_from_the_slug_and_nothing_else():
    assert panel_id("discord-guild/members") == panel_id("discord-guild/members") <= IDS
    assert panel_id("discord-guild/members") != panel_id("discord-guild/messages")


def test_slugs_are_unique_within_a_dashboard():
    for page in pages():
        slugs = [panel.slug for section in page.sections for band in section.bands for panel in band.panels]
        assert len(slugs) == len(set(slugs)), page.uid
