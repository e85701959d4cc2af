from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.config import is_loopback, parse_listen
from exporter.web.page import write_page
from exporter.web.status import (
    BlindFeature,
    ShardConnection,
    SinkStatus,
    SpoolStatus,
    Status,
)


class Outline(HTMLParser):
    """Collects tags and checks that they close in order."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(status: Status) -> Outline:
    found = Outline()
    found.feed(write_page(status, version="1", now_ms=status.started_at + 3_700_000))
    found.close()
    assert not found.open
    return found


FULL = Status(
    1_700_000_000_000,
    connected=True,
    shards=(ShardConnection(0, connected=True, latency=0.1),),
    sinks=(SinkStatus("sql", up=True, pending=3, oldest_age=90_061),),
    spool=SpoolStatus(10, 4096),
    blind=(BlindFeature("bans", "view_audit_log", "who and why"),),
    pending={"membership": 2},
)


def test_the_page_can_be_read_by_a_screen_reader():
    tags = outline(FULL).tags
    names = [name for name, _ in tags]
    assert dict(tags)["html"] == {"lang": "en"}
    assert names.count("h1") == 1
    assert names.count("main") == 1
    assert names.count("caption") == names.count("table") == 5
    assert all(attributes.get("scope") in ("col", "row") for name, attributes in tags if name == "th")
    assert "title" in names


def test_an_exporter_that_has_just_started_has_a_page_too():
    tags = outline(Status(1_700_000_000_000)).tags
    assert [name for name, _ in tags].count("table") == 1


@pytest.mark.parametrize(
    ("age", "text"), [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3_660, "1 h 1 min"), (90_061, "1 d 1 h")]
)
def test_ages_are_shown_in_two_units(age, text):
    status = Status(0, sinks=(SinkStatus("sql", up=True, oldest_age=age),))
    assert f"<td>{text}</td>" in write_page(status, version="1", now_ms=0)


@given(text=st.text())
def test_no_text_breaks_out_of_its_cell(text):
    status = Status(
        0, sinks=(SinkStatus(text, up=False, last_error=text),), blind=(BlindFeature(text, text, text),)
    )
    allowed = {tag for tag, _ in outline(FULL).tags} | {"ul", "li"}
    assert {tag for tag, _ in outline(status).tags} <= allowed


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("[::1]:0", ("::1", 0)),
        (":80", ("0.0.0.0", 80)),
        (" localhost:65535 ", ("localhost", 65535)),
    ],
)
def test_an_address_is_host_and_port(text, address):
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["", "localhost", "::1:80", "h:-1", "h:65536", "h:x", "h:٣", "[::1]"])
def test_what_is_no_address_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not an address; write for"):
        parse_listen(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_only_loopback_is_loopback(host, loopback):
    assert is_loopback(host) is loopback
