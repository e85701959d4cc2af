"""Refusals of Discord that no retry can change, each as one line for the operator.

Source: Discord docs, Opcodes and Status Codes › Gateway Close Event Codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from exporter.discord.intents import PRIVILEGED
from exporter.errors import CredentialsError
from exporter.settings import Secret

INVALID_INTENTS: Final = 4013
DISALLOWED_INTENTS: Final = 4014
_AUTHENTICATION_FAILED: Final = 4004

_LAYOUT = "set discord.shards to auto, or to a number every process of the cluster agrees on"

_REMEDIES: Final = {
    4010: f"Discord refused the shard number (close code 4010): {_LAYOUT}",
    4011: f"Discord refused the connection, the bot having too few shards (close code 4011): {_LAYOUT}",
    4012: "Discord no longer speaks this version of its gateway (close code 4012): update discord-exporter",
}

FATAL_CODES: Final = frozenset({_AUTHENTICATION_FAILED, INVALID_INTENTS, DISALLOWED_INTENTS, *_REMEDIES})
"""Close codes after which Discord asks not to reconnect."""


_NOT_SET: Final = (
    "no Discord token: set DISCORD_TOKEN, or discord.token_file to a file that holds it "
    "(Developer Portal › your application › Bot › Token)"
)
_MALFORMED: Final = (
    "the Discord token holds spaces, line breaks or other characters no token has: copy it again "
    "(Developer Portal › your application › Bot › Token)"
)
"""Does not say which characters: that would print part of a secret."""


def read_token(secret: Secret | None) -> str:
    """The token to send.

    Raises:
        CredentialsError: there is none, or it cannot be one.
    """
    token = secret.get_secret_value().strip() if secret else ""
    if not token:
        raise CredentialsError(_NOT_SET)
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise CredentialsError(_MALFORMED)
    return token


def token_refused(answer: str) -> CredentialsError:
    """Discord does not know the token; ``answer`` is how it said so."""
    return CredentialsError(
        f"Discord refused the token ({answer}): copy the bot's current token into DISCORD_TOKEN or "
        "discord.token_file (Developer Portal › your application › Bot › Reset Token)"
    )


def cluster_too_large(index: int, count: int, shards: int) -> CredentialsError:
    """This process of the cluster has no shard to hold."""
    return CredentialsError(
        f"discord.cluster: process {index} of {count} has no shard, the bot has only {shards}: lower "
        "cluster.count, or set discord.shards to a number"
    )


def _needed_by(intent: str, why: Mapping[str, Sequence[str]]) -> str:
    events = why.get(intent, ())
    return f"{intent} ({', '.join(events)})" if events else f"{intent} (always needed)"


def _intents_refused(why: Mapping[str, Sequence[str]], refused: Sequence[str]) -> CredentialsError:
    requested = tuple(intent for intent in PRIVILEGED if intent in why)
    named = tuple(refused) or requested
    captions = " and ".join(PRIVILEGED.get(intent, intent) for intent in named)
    events = sorted({event for intent in named for event in why.get(intent, ())})
    off = f", or set {', '.join(f'events.{event}: false' for event in events)}" if events else ""
    return CredentialsError(
        f"Discord refused the privileged intent {', '.join(_needed_by(intent, why) for intent in named)} "
        f"(close code {DISALLOWED_INTENTS}): switch on {captions} under Developer Portal › your application "
        f"› Bot › Privileged Gateway Intents{off}"
    )


def close_refused(
    code: int, why: Mapping[str, Sequence[str]], refused: Sequence[str] = ()
) -> CredentialsError:
    """The error for a fatal close code.

    ``why`` holds the intents requested with the event types that need each; ``refused`` the privileged ones
    known not to be granted, empty if that could not be found out.
    """
    if code == _AUTHENTICATION_FAILED:
        return token_refused(f"close code {code}")
    if code == DISALLOWED_INTENTS:
        return _intents_refused(why, refused)
    if code == INVALID_INTENTS:
        wanted = "; ".join(_needed_by(intent, why) for intent in sorted(why))
        return CredentialsError(
            f"Discord does not know one of the intents requested (close code {code}): {wanted}; update "
            "discord-exporter, or switch off the events whose intent this API version does not have"
        )
    return CredentialsError(_REMEDIES[code])
