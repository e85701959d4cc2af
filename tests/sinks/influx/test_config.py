from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporter.sinks.influx.config import InfluxConfig


def test_without_an_address_the_sink_is_off() -> None:
    assert not InfluxConfig().active
    assert not InfluxConfig.model_validate({"url": ""}).active
    assert not InfluxConfig.model_validate({"url": None}).active


def test_an_address_switches_it_on_and_enabled_switches_it_off() -> None:
    assert InfluxConfig.model_validate({"url": "http://influxdb:8086"}).active
    assert not InfluxConfig.model_validate({"url": "http://influxdb:8086", "enabled": False}).active


def test_a_trailing_slash_makes_no_difference() -> None:
    assert InfluxConfig.model_validate({"url": "https://host/influx/"}).url == "https://host/influx"


@pytest.mark.parametrize(
    "url",
    [
        "host:8086",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://h/?a=b",
        "http://h\n/",
        8086,
        ["x"],
    ],
)
def test_what_is_no_address_is_refused_with_an_example(url: object) -> None:
    with pytest.raises(ValidationError, match="write for instance http://influxdb:8086"):
        InfluxConfig.model_validate({"url": url})


def test_a_password_in_an_address_is_refused_and_not_repeated_in_the_reason() -> None:
    with pytest.raises(ValidationError, match="must not carry a user or password") as caught:
        InfluxConfig.model_validate({"url": "http://me:hunter2@host:8086"})
    assert "hunter2" not in caught.value.errors()[0]["msg"]


def test_the_token_never_prints() -> None:
    config = InfluxConfig.model_validate({"url": "http://host", "token": "s3cret"})
    assert "s3cret" not in f"{config!r} {config}"
    assert config.token.get_secret_value() == "s3cret"


def test_an_unknown_key_and_a_deadline_of_nothing_are_refused() -> None:
    with pytest.raises(ValidationError):
        InfluxConfig.model_validate({"urls": "http://host"})
    with pytest.raises(ValidationError):
        InfluxConfig.model_validate({"timeout": {"total": "0s"}})
