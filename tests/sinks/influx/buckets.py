"""Two buckets of a real InfluxDB, and what is stored in them."""

from __future__ import annotations

import random
from typing import Any

from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

from exporter.sinks.influx.config import InfluxConfig

Key = tuple[str, frozenset[tuple[str, str]]]


class InfluxStore:
    def __init__(self, url: str, token: str, org: str, name: str) -> None:
        self.guild = random.SystemRandom().randrange(10**17, 10**18)
        self.config = InfluxConfig.model_validate(
            {"url": url, "token": token, "org": org, "bucket": name, "bucket_members": f"{name}_members"}
        )
        self.client = InfluxDBClientAsync(url=url, token=token, org=org)

    async def rows(self, measurement: str = "", field: str = "", guild: int = 0) -> list[dict[str, Any]]:
        """The stored points, of both buckets; all where nothing is named."""
        found: list[dict[str, Any]] = []
        names = {"_measurement": measurement, "_field": field, "guild_id": str(guild or "")}
        wanted = "".join(
            f' |> filter(fn: (r) => r.{name} == "{value}")' for name, value in names.items() if value
        )
        for bucket in (self.config.bucket, self.config.bucket_members):
            tables = await self.client.query_api().query(
                f'from(bucket: "{bucket}") |> range(start: 0){wanted}'
            )
            found += [row.values for table in tables for row in table.records]
        return found

    async def sums(self) -> dict[Key, float]:
        sums: dict[Key, float] = {}
        for bucket in (self.config.bucket, self.config.bucket_members):
            tables = await self.client.query_api().query(
                f'from(bucket: "{bucket}") |> range(start: -2d, stop: 1d)'
                f' |> filter(fn: (r) => r.guild_id == "{self.guild}") |> toFloat() |> sum()'
            )
            for row in (found for table in tables for found in table.records):
                plain = {
                    name: str(value)
                    for name, value in row.values.items()
                    if name[0] != "_" and name not in {"result", "table"}
                }
                name = f"{row.values['_measurement']}_{row.values['_field']}"
                sums[name, frozenset(plain.items())] = row.values["_value"]
        return sums


class influx_buckets:  # noqa: N801 - reads as the context it is
    """The two buckets of a test, gone afterwards."""

    def __init__(self, store: InfluxStore) -> None:
        self._store = store
        self._ids: list[str] = []

    async def _call(self, method: str, path: str, **query: str) -> dict[str, list[dict[str, str]]]:
        api = self._store.client.api_client
        answer = await api.rest_client.request(
            method, f"{self._store.config.url}{path}", query, api.default_headers, _preload_content=False
        )
        async with answer:
            return dict(await answer.json()) if answer.status == 200 else {}

    async def __aenter__(self) -> None:
        org = (await self._call("GET", "/api/v2/orgs", org=self._store.config.org))["orgs"][0]["id"]
        api = self._store.client.api_client
        for name in (self._store.config.bucket, self._store.config.bucket_members):
            answer = await api.rest_client.pool_manager.post(
                f"{self._store.config.url}/api/v2/buckets",
                json={"orgID": org, "name": name, "retentionRules": []},
                headers=api.default_headers,
            )
            async with answer:
                self._ids.append((await answer.json())["id"])

    async def __aexit__(self, *_: object) -> None:
        for bucket in self._ids:
            await self._call("DELETE", f"/api/v2/buckets/{bucket}")
        await self._store.client.close()
