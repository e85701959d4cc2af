"""Buckets and tasks in InfluxDB, made by ``migrate``; needs a token that may manage both.

What an operator changed stays: an existing bucket keeps its retention, and of the tasks only those with the
exporter's prefix are rewritten, where their text differs. Running it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.organization import Organization
from influxdb_client.domain.task_create_request import TaskCreateRequest
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from exporter.errors import ExporterError
from exporter.events.catalogue import Catalogue
from exporter.sinks.influx.config import InfluxConfig
from exporter.sinks.influx.responses import redact
from exporter.sinks.influx.rollup import Task, tasks

_DAY: Final = 86_400

_TIMEOUT_MS: Final = 30_000
"""Making a bucket takes milliseconds; a server under load may take seconds."""

_REFUSED: Final = {
    401: "the token is missing or not valid; set sinks.influxdb.token",
    403: "the token may not manage buckets and tasks; use one that may, here only",
    404: "it has no such organisation, or no buckets and tasks at all; InfluxDB 2 has",
}


def prepare(config: InfluxConfig, catalogue: Catalogue) -> list[str]:
    """Make what is missing; returns a line for each change. Blocks.

    Raises:
        ExporterError: the server does not answer or refuses.
    """
    secret = config.token.get_secret_value()
    client = InfluxDBClient(url=config.url or "", token=secret, org=config.org, timeout=_TIMEOUT_MS)
    try:
        return list(_prepare(client, config, catalogue))
    except (ApiException, HTTPError, OSError, ValueError) as error:
        status = error.status if isinstance(error, ApiException) else None
        reason = _REFUSED.get(status or 0) or f"{type(error).__name__}: {error}".splitlines()[0]
        msg = f"cannot prepare {config.url}: {redact(reason, secret)}"
        raise ExporterError(msg) from error
    finally:
        client.close()  # type: ignore[no-untyped-call] # influxdb-client annotates in part


def _prepare(client: InfluxDBClient, config: InfluxConfig, catalogue: Catalogue) -> Iterator[str]:
    found = client.organizations_api().find_organizations(org=config.org)  # type: ignore[no-untyped-call] # as above
    if not found:
        msg = f"{config.url} has no organisation {config.org!r}; correct sinks.influxdb.org"
        raise ExporterError(msg)
    organization = found[0]
    keep = {
        config.bucket: config.keep,
        config.bucket_members: config.keep_members,
        config.bucket_longterm: 0.0,
    }
    # All of them, since asking for one that is missing is answered with an error.
    present = {bucket.name for bucket in client.buckets_api().find_buckets_iter(org_id=organization.id)}  # type: ignore[no-untyped-call] # as above
    for bucket, seconds in keep.items():
        if bucket not in present:
            yield _make_bucket(client, organization, bucket, seconds)
    for task in tasks(catalogue, config.bucket, config.bucket_longterm):
        yield from _make_task(client, organization, task)


def _make_bucket(client: InfluxDBClient, organization: Organization, name: str, seconds: float) -> str:
    rules = BucketRetentionRules(type="expire", every_seconds=round(seconds))  # type: ignore[no-untyped-call] # as above
    client.buckets_api().create_bucket(bucket_name=name, retention_rules=rules, org=organization)
    kept = f"keeps {seconds / _DAY:g} days" if seconds else "keeps everything"
    return f"bucket {name}: made, {kept}"


def _make_task(client: InfluxDBClient, organization: Organization, task: Task) -> Iterator[str]:
    api = client.tasks_api()
    found = api.find_tasks(name=task.name, org_id=organization.id, limit=1)  # type: ignore[no-untyped-call] # as above
    if not found:
        request = TaskCreateRequest(org_id=organization.id, flux=task.flux, status="active")  # type: ignore[no-untyped-call] # as above
        api.create_task(task_create_request=request)
        yield f"task {task.name}: made"
    elif found[0].flux != task.flux:
        found[0].flux = task.flux
        api.update_task(found[0])
        yield f"task {task.name}: brought up to date"
