from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.exposition.meters import write_family
from exporter.exposition.text import Format
from exporter.telemetry import SECONDS_BUCKETS, Histogram, Meter, MeterSpec, Telemetry, meter_specs
from tests.exposition.held import OPENMETRICS, Held, exposer, families, key, scrape

FORMATS = pytest.mark.parametrize("format_", list(Format))


def read(format_: Format, family: Meter | Histogram) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = write_family(format_, family) + format_.end
    parse = parse_openmetrics if format_ is Format.OPENMETRICS else parse_text
    (found,) = parse(text)
    assert found.name == family.spec.name
    assert found.type == family.spec.kind
    return {(s.name, frozenset(s.labels.items())): float(s.value) for s in found.samples}


@FORMATS
@given(
    values=st.dictionaries(
        st.tuples(st.text(st.characters(exclude_categories=("Cs", "Cc"))), st.sampled_from("ab")),
        st.integers(0, 2**53) | st.floats(0, 1e300),
        max_size=4,
    )
)
def test_a_counter_reads_back(format_: Format, values: dict[tuple[str, ...], float]) -> None:
    meter = Meter(MeterSpec("discord_exporter_things", "counter", "Things.", ("what", "why")), dict(values))
    text = write_family(format_, meter)
    if values:
        assert read(format_, meter) == {
            key("discord_exporter_things_total", what=what, why=why): amount
            for (what, why), amount in values.items()
        }
    else:
        assert text.count("\n") == 2


@FORMATS
@given(observed=st.lists(st.floats(0, 100), min_size=1))
def test_a_histogram_reads_back(format_: Format, observed: list[float]) -> None:
    histogram = Histogram(MeterSpec("discord_exporter_wait_seconds", "histogram", "Waits.", ("sink",)))
    for seconds in observed:
        histogram.observe(seconds, "sql")
    found = read(format_, histogram)
    name = "discord_exporter_wait_seconds"
    for bound in SECONDS_BUCKETS:
        expected = sum(seconds <= bound for seconds in observed)
        assert found[key(f"{name}_bucket", sink="sql", le=bound)] == expected
    assert found[key(f"{name}_bucket", sink="sql", le="+Inf")] == len(observed)
    assert found[key(f"{name}_count", sink="sql")] == len(observed)
    assert found[key(f"{name}_sum", sink="sql")] == pytest.approx(sum(observed))


@FORMATS
def test_a_histogram_without_labels_has_only_its_bounds(format_: Format) -> None:
    histogram = Histogram(MeterSpec("discord_exporter_wait_seconds", "histogram", "Waits."))
    histogram.observe(0.2)
    assert read(format_, histogram)[key("discord_exporter_wait_seconds_count")] == 1


@pytest.mark.parametrize("accept", [None, OPENMETRICS])
async def test_one_scrape_has_every_meter_of_the_exporter(accept: str | None) -> None:
    found = {family.name: family for family in families(await exposer(Held()).render(accept, None))}
    for spec in meter_specs():
        assert found[spec.name].type == spec.kind
        assert found[spec.name].documentation == spec.help


async def test_a_meter_that_moved_is_seen_by_the_next_scrape() -> None:
    telemetry = Telemetry()
    by = exposer(Held(), telemetry)
    telemetry.delivered.add("sql", amount=3)
    assert (await scrape(by))[key("discord_exporter_delivered_total", sink="sql")] == 3
    telemetry.delivered.add("sql")
    assert (await scrape(by))[key("discord_exporter_delivered_total", sink="sql")] == 4
