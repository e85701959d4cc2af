"""Removes secrets and control characters from logs, errors and command output.

Two filters, because neither is complete alone: the secrets this process was configured with, anywhere in a
text, and the patterns of secrets, for those it does not know. A line stays one line: characters that end a
line, move the cursor or change the writing direction are shown as escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[redacted]"
MIN_SECRET = 6
"""Characters. Shorter values are no secrets, and masking them would mask ordinary words."""

_BOT_TOKEN = re.compile(r"[\w-]{23,32}\.[\w-]{6,7}\.[\w-]{27,45}")
"""Discord's: an id, a time and a signature, each in URL-safe base64."""
_PASSWORD_IN_URL = re.compile(r"(?P<head>\b[a-zA-Z][\w+.-]*://)(?!user:password@)[^\s'\"]+(?=@)")
"""Up to the last @: a password with one in it is a common mistake, and must not be shown in part. What the
error messages give as an example stays readable."""
_AUTHORIZATION = re.compile(
    r"(?P<head>authorization(?:\\?['\"])?\s*[:=,]\s*(?:b?\\?['\"])?(?:(?:bot|bearer|basic|token)\s+)?)"
    r"[^\s'\",\\)]+",
    re.IGNORECASE,
)
_WEBHOOK = re.compile(r"(?P<head>/webhooks/\d+/)[\w-]{20,}")
_NAMED = re.compile(
    r"(?P<head>\b(?:password|passwd|token|secret|dsn)(?:\\?['\"])?\s*[:=]\s*(?:\\?['\"])?)"
    r"(?!None\b|null\b|\*{4}|\$\{)(?P<value>[^\s'\",\\)]{8,})",
    re.IGNORECASE,
)
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Control characters, line ends, marks of writing direction or without width, lone surrogates."""


class Redactor:
    """Masks the known secrets and everything that matches the pattern of one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: re.Pattern[str] | None = None
        self._secrets: set[str] = set()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Add secrets, each also as JSON and URLs write it."""
        for secret in secrets:
            if len(secret) >= MIN_SECRET:
                self._secrets |= {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}
        if self._secrets:
            # The longest first, so that a secret inside another does not leave part of it unmasked.
            ordered = sorted(self._secrets, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, ordered)))

    def __call__(self, text: str) -> str:
        """The text with every secret masked."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _BOT_TOKEN.sub(MASK, text)
        for pattern in (_PASSWORD_IN_URL, _AUTHORIZATION, _WEBHOOK, _NAMED):
            text = pattern.sub(rf"\g<head>{MASK}", text)
        return text


def one_line(text: str) -> str:
    """The text with control and invisible characters shown as escapes."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)
