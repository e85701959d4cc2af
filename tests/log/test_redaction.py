from __future__ import annotations

import base64
import json
import random
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.redaction import MASK, MIN_SECRET, Redactor, one_line

URL_SAFE = string.ascii_letters + string.digits + "-_"


def bot_token(chance: random.Random) -> str:
    """A token of the shape Discord gives, which belongs to no bot."""

    def some(length: int) -> str:
        return "".join(chance.choices(URL_SAFE, k=length))

    head = base64.b64encode(str(chance.randrange(10**17, 10**19)).encode()).decode().rstrip("=")
    return f"{head}.{some(6)}.{some(chance.choice((27, 38)))}"


def test_ten_thousand_unregistered_tokens_do_not_pass():
    chance, redact = random.Random(7), Redactor()
    frames = ("{}", "token={}", "Authorization: Bot {}", '{{"token": "{}"}}', "login as {} failed", "u:{}@h")
    for _ in range(10_000):
        token = bot_token(chance)
        text = redact(chance.choice(frames).format(token))
        assert token not in text
        assert token.rpartition(".")[2] not in text


@given(
    secret=st.text(min_size=MIN_SECRET).filter(lambda text: text not in MASK),
    before=st.text(),
    after=st.text(),
)
def test_a_known_secret_does_not_pass_in_any_of_its_forms(secret, before, after):
    redact = Redactor([secret])
    assert secret not in redact(before + secret + after).replace(MASK, "")
    written = json.dumps({"x": secret})
    assert json.dumps(secret)[1:-1] not in redact(written).replace(MASK, "")


def test_a_secret_in_a_url_is_masked_as_it_is_quoted_there():
    redact = Redactor(["p@ss w/rd%"])
    assert quote("p@ss w/rd%", safe="") not in redact(f"http://h/?key={quote('p@ss w/rd%', safe='')}")


def test_of_two_secrets_the_longer_goes_first():
    assert Redactor(["secret", "secret-and-more"])("x secret-and-more x") == f"x {MASK} x"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://app:hunter2@db/discord", f"postgresql://{MASK}@db/discord"),
        ("postgresql://app:p@ss:w/o@rd@db/discord", f"postgresql://{MASK}@db/discord"),
        ("Authorization: Token abcdef", f"Authorization: Token {MASK}"),
        ("{'Authorization': 'Bot abcdef'}", f"{{'Authorization': 'Bot {MASK}'}}"),
        ('{"authorization": "Bearer abcdef"}', f'{{"authorization": "Bearer {MASK}"}}'),
        ("/api/webhooks/123/" + "a" * 68, f"/api/webhooks/123/{MASK}"),
        ("password=correct-horse", f"password={MASK}"),
    ],
)
def test_what_has_the_shape_of_a_secret_is_masked_unknown(text, masked):
    assert Redactor()(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:9464/metrics",
        "sqlite:///data/discord.db",
        "token: ${DISCORD_TOKEN}",
        "token=None",
        "guild 123456789012345678 has 5.25 members",
        "exporter.sinks.influx.line_protocol",
        "version 1.2.3, at 2026-11-22T21:24:52.633122Z",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert Redactor(["", "ab", "short"])(text) == text


@given(text=st.text(st.characters()))
def test_a_line_stays_one_line_and_can_be_encoded(text):
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    line.encode()
    assert "\x1b" not in line
    assert one_line(line) == line


def test_marks_that_turn_the_writing_direction_become_visible():
    assert one_line("a\u202eb\u2066c\ud800d\x1b[31m") == "a\\u202eb\\u2066c\\ud800d\\x1b[31m"


def test_ordinary_writing_of_any_script_is_untouched():
    assert one_line("Grüße, 世界, مرحبا 🎉") == "Grüße, 世界, مرحبا 🎉"
