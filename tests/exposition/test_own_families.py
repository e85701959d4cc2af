from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition.own_families import ReadableFamilies
from exporter.plain_metric import MetricSpec, PlainMetric
from exporter.telemetry import (
    SECONDS_BUCKETS,
    Telemetry,
    metric_specs,
    samples,
    total,
    value,
)
from tests.exposition.held import OPENMETRICS, Held, families, key, rendering, scrape

FORMATS = pytest.mark.parametrize(
    ("encode", "parse"), [(generate_latest, parse_text), (generate_openmetrics, parse_openmetrics)]
)


def read(metric, encode, parse):
    (found,) = parse(encode(ReadableFamilies(metric.collect())).decode())
    return {(s.name, frozenset(s.labels.items())): float(s.value) for s in found.samples}


@FORMATS
@given(
    values=st.dictionaries(
        st.tuples(st.text(st.characters(exclude_categories=("Cs", "Cc"))), st.sampled_from("ab")),
        st.integers(0, 2**53) | st.floats(0, 1e300),
        max_size=4,
    )
)
def test_a_plain_counter_reads_back(encode, parse, values: dict[tuple[str, ...], float]) -> None:
    metric = PlainMetric(MetricSpec("discord_exporter_things", "counter", "Things.", ("what", "why")))
    for labels, amount in values.items():
        metric.labels(*labels).inc(amount)
    assert read(metric, encode, parse) == {
        key("discord_exporter_things_total", what=what, why=why): amount
        for (what, why), amount in values.items()
    }
    assert samples(metric) == values


@FORMATS
def test_a_plain_gauge_has_no_sample_while_it_is_not_known(encode, parse) -> None:
    telemetry = Telemetry()
    assert read(telemetry.identifies_remaining, encode, parse) == {}
    telemetry.identifies_remaining.set(0)
    assert read(telemetry.identifies_remaining, encode, parse) == {
        key("discord_gateway_identifies_remaining"): 0
    }


@FORMATS
@given(observed=st.lists(st.floats(0, 100), min_size=1))
def test_a_histogram_reads_back(encode, parse, observed: list[float]) -> None:
    histogram = Telemetry().deliver_seconds
    for seconds in observed:
        histogram.labels("sql").observe(seconds)
    found = read(histogram, encode, parse)
    name = "discord_exporter_deliver_seconds"
    for bound in SECONDS_BUCKETS:
        expected = sum(seconds <= bound for seconds in observed)
        assert found[key(f"{name}_bucket", sink="sql", le=bound)] == expected
    assert found[key(f"{name}_bucket", sink="sql", le="+Inf")] == len(observed)
    assert found[key(f"{name}_count", sink="sql")] == len(observed)
    assert found[key(f"{name}_sum", sink="sql")] == pytest.approx(sum(observed))
    assert len(found) == len(SECONDS_BUCKETS) + 3, "no series of when it was created"
    assert value(histogram, "sql") == total(histogram) == len(observed)


def test_what_was_never_moved_reads_as_0() -> None:
    telemetry = Telemetry()
    assert value(telemetry.dropped, "full") == value(telemetry.sink_failures, "sql", "down") == 0
    assert samples(telemetry.sink_failures) == {}
    assert value(telemetry.spooled) == value(telemetry.unspooled) == 0


def test_two_applications_in_a_process_count_apart() -> None:
    one, other = Telemetry(), Telemetry()
    one.component_errors.labels("voice").inc()
    one.received.labels("MESSAGE_CREATE").inc()
    assert total(other.component_errors) == total(other.received) == 0


def test_a_name_cannot_be_declared_twice() -> None:
    telemetry = Telemetry()
    for spec in telemetry.specs:
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            telemetry.registry.register(PlainMetric(spec))


@pytest.mark.parametrize("accept", [None, OPENMETRICS])
async def test_one_scrape_has_every_family_of_the_exporter(accept: str | None) -> None:
    found = {family.name: family for family in families(await rendering(Held()).render(accept, None))}
    for spec in metric_specs():
        assert found[spec.name].type == spec.kind
        assert found[spec.name].documentation == spec.help


async def test_a_histogram_that_moved_is_seen_by_the_next_scrape() -> None:
    telemetry = Telemetry()
    by = rendering(Held(), telemetry)
    for observed in range(3):
        assert (await scrape(by))[key("discord_exporter_commit_seconds_count")] == observed
        telemetry.commit_seconds.observe(0.02)


async def test_a_metric_that_moved_is_seen_by_the_next_scrape() -> None:
    telemetry = Telemetry()
    by = rendering(Held(), telemetry)
    telemetry.delivered.labels("sql").inc(3)
    assert (await scrape(by))[key("discord_exporter_delivered_total", sink="sql")] == 3
    telemetry.delivered.labels("sql").inc()
    assert (await scrape(by))[key("discord_exporter_delivered_total", sink="sql")] == 4
