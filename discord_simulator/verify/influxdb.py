"""Reads InfluxDB: the sum of every series, from InfluxDB's query API or VictoriaMetrics' export.

Points are deltas, so the sum over all windows is the total of the ledger. A server may hold points of other
exporters: only the guilds of the ledger are read, and only around its time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from discord_simulator.verify.quantities import Expected, Observed
from discord_simulator.verify.series import MAX_DETAIL, Series, read_csv, read_export, read_series

TIMEOUT = aiohttp.ClientTimeout(total=120, connect=5)

MAX_ANSWER = 256 * 1024 * 1024
"""Bytes; about the size for a hundred guilds of 20,000 active members each."""

GUILDS_PER_QUERY = 100
"""InfluxDB 2.9 refuses a condition of 2,000 alternatives as nested too deep."""

MARGIN_MS = 86_400_000
"""A point may lie anywhere in its window; the longest window that can be configured is a day."""

_FAR_FUTURE_MS = 4_102_444_800_000
"""2100: without a ledger, points of any time are read."""

_COLUMNS = (
    *("_measurement", "_field"),
    *("guild_id", "channel_id", "user_id", "author", "reason", "action", "state"),
)
"""Columns that sums are grouped by; without emojis, which are the largest part of all series."""

_NOT_THERE = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST)

_UNREADABLE: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the token is missing, invalid, or may not read",
    HTTPStatus.NOT_FOUND: "the bucket does not exist, or the token may write to it but not read it",
    HTTPStatus.BAD_REQUEST: "the organisation does not exist, or the query is not supported",
}


async def read_influxdb(
    url: str,
    org: str,
    token: str,
    buckets: Iterable[str],
    store: str = "influxdb",
    *,
    expected: Expected | None = None,
) -> Observed:
    """Read the sums for the guilds and the time of ``expected``, or for all of them for None.

    Raises:
        aiohttp.ClientError, OSError: no answer, or an error status; the message names the cause.
        ValueError: the answer is in another format.
    """
    headers = {"Authorization": f"Token {token}"} if token else {}
    series: list[Series] = []
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session:
            for bucket in buckets:
                for flux in write_queries(bucket, expected):
                    found = await _query(session, f"{url}/api/v2/query", org, flux)
                    if found is None:
                        return read_series(await _export(session, url, expected), store)
                    series += read_csv(found)
    except TimeoutError as error:
        msg = f"{url} did not answer within {TIMEOUT.total:g} s"
        raise TimeoutError(msg) from error
    except aiohttp.ClientResponseError as error:
        # The message of a proxy may contain the request, and so the token.
        error.message = error.message.replace(token, "***") if token else error.message
        raise
    return read_series(series, store)


def write_queries(bucket: str, expected: Expected | None) -> Iterator[str]:
    """Flux queries for the sums of a bucket's series; none if ``expected`` has no guild.

    Raises:
        ValueError: the id of a guild is not a positive integer.
    """
    guild_ids = sorted(expected.guilds) if expected else [0]
    for first in range(0, len(guild_ids), GUILDS_PER_QUERY):
        part = guild_ids[first : first + GUILDS_PER_QUERY]
        where = 'r._measurement != "discord_events"'
        if expected is not None:
            where += f" and ({' or '.join(f'r.guild_id == {_quoted(_digits(each))}' for each in part)})"
        start, stop = map(_moment, _span(expected))
        yield (
            f"from(bucket: {_quoted(bucket)}) |> range(start: {start}, stop: {stop})"
            f" |> filter(fn: (r) => {where})"
            f" |> group(columns: {json.dumps(_COLUMNS)}) |> sum()"
        )


def _span(expected: Expected | None) -> tuple[int, int]:
    if expected is None or not expected.ended:
        return 0, _FAR_FUTURE_MS
    return max(0, expected.began - MARGIN_MS), expected.ended + MARGIN_MS


def _moment(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digits(guild_id: int) -> str:
    if type(guild_id) is not int or guild_id <= 0:
        msg = f"{guild_id!r} is not the id of a guild"
        raise ValueError(msg)
    return str(guild_id)


def _quoted(text: str) -> str:
    """A string literal of Flux; ``${``, which begins an expression, is escaped."""
    for special in ("\\", '"', "${"):
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'


async def _query(session: aiohttp.ClientSession, url: str, org: str, flux: str) -> str | None:
    """The answer as CSV; None if the server is not InfluxDB."""
    body = {"query": flux, "type": "flux", "dialect": {"annotations": ["datatype"]}}
    # A redirected POST becomes a GET and would send the token to another server.
    async with session.post(url, params={"org": org}, json=body, allow_redirects=False) as answer:
        if answer.status in _NOT_THERE and "X-Influxdb-Version" not in answer.headers:
            return None
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer, await _read(answer))
        return await _read(answer)


async def _export(session: aiohttp.ClientSession, url: str, expected: Expected | None) -> Iterator[Series]:
    """All series of a server such as VictoriaMetrics, which accepts InfluxDB's writes and has no buckets."""
    # The server keeps new samples in memory until they are flushed.
    async with session.get(f"{url}/internal/force_flush"):
        pass
    start, stop = _span(expected)
    query = {"match[]": '{__name__=~"discord_.*"}', "start": f"{start / 1000}", "end": f"{stop / 1000}"}
    async with session.get(f"{url}/api/v1/export", params=query, allow_redirects=False) as answer:
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer, await _read(answer))
        found = read_export(await _read(answer))
    wanted = {str(guild_id) for guild_id in expected.guilds} if expected else None
    return (each for each in found if wanted is None or each.tags.get("guild_id") in wanted)


async def _read(answer: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER:
            msg = f"{answer.url.origin()} answers with more than {MAX_ANSWER} bytes"
            raise ValueError(msg)
    return body.decode()


def _refusal(answer: aiohttp.ClientResponse, text: str) -> aiohttp.ClientResponseError:
    words = _UNREADABLE.get(answer.status, "the server is not InfluxDB 2 or has failed")
    try:
        said = json.loads(text)["message"]
    except (ValueError, LookupError, TypeError):
        said = text
    detail = " ".join(str(said).split())[:MAX_DETAIL]
    # The repr of the error contains the request's headers, and so the token.
    asked = answer.request_info._replace(headers=CIMultiDictProxy(CIMultiDict()))
    message = f"{words}; answer: {detail}" if detail else words
    return aiohttp.ClientResponseError(asked, (), status=answer.status, message=message)
