"""The report of ``check``: what follows from a configuration, and the answers of Discord and the stores."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exporter.app import make_sinks
from exporter.clock import SystemClock
from exporter.config.model import Config
from exporter.discord.intents import PRIVILEGED, intent_mask
from exporter.errors import ExporterError
from exporter.events.catalogue import Catalogue, full_catalogue
from exporter.events.permissions import invite_url, name_together, permission_mask
from exporter.notation import counted
from exporter.redaction import one_line
from exporter.sinks.base import Probe, Sink

if TYPE_CHECKING:
    from exporter.discord.preflight import OnlineReport

PROBE_TIMEOUT_S: Final = 15.0
_MASKED: Final = "**********"


@dataclass(frozen=True, slots=True)
class IntentNeed:
    """One requested intent and its events; ``privileged`` is the switch's name in the Developer Portal."""

    name: str
    events: tuple[str, ...]
    privileged: str = ""


@dataclass(frozen=True, slots=True)
class PermissionLoss:
    """What is not recorded in guilds where the bot lacks a permission, or all of several (``together``)."""

    permission: str
    events: tuple[str, ...]
    lost: str
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SinkProbeResult:
    """The answer of one store."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """The whole report; ``problems`` prevent ``run`` from working."""

    on: tuple[str, ...]
    off: tuple[str, ...]
    intents: tuple[IntentNeed, ...]
    intent_mask: int
    permissions: tuple[str, ...]
    permission_integer: int
    invite: str
    blind: tuple[PermissionLoss, ...]
    sinks: tuple[SinkProbeResult, ...]
    settings: dict[str, Any]
    problems: tuple[str, ...] = ()
    online: OnlineReport | None = None

    @property
    def ok(self) -> bool:
        """Whether ``run`` can work."""
        return not self.problems and all(sink.ok for sink in self.sinks)

    def as_json(self) -> dict[str, Any]:
        """The same for programs; ids of the online part are text, since JSON readers round large numbers."""
        return {name: _with_text_ids(value) for name, value in msgspec.to_builtins(self).items()} | {
            "ok": self.ok
        }


async def examine(config: Config, *, online: bool = False) -> PreflightReport:
    """Build the report; queries the sinks, and Discord's API if ``online``."""
    chosen = config.chosen(full_catalogue())
    permissions = tuple(chosen.permissions)
    problems = list(_token_problems(config))
    report = await _ask_discord(config, chosen, problems) if online and not problems else None
    application = report.application_id if report else _application_id(config)
    sinks = make_sinks(config, SystemClock())
    link = invite_url(application or 0, permission_mask(permissions))
    return PreflightReport(
        on=tuple(chosen.events),
        off=tuple(kind for kind in full_catalogue().events if kind not in chosen.events),
        intents=tuple(
            IntentNeed(name, events, PRIVILEGED.get(name, "")) for name, events in chosen.intents.items()
        ),
        intent_mask=intent_mask(chosen.intents),
        permissions=permissions,
        permission_integer=permission_mask(permissions),
        invite=link if application else link.replace("client_id=0", "client_id=YOUR_APPLICATION_ID"),
        blind=_blind_spots(chosen),
        sinks=tuple(await asyncio.gather(*map(_ask, sinks))),
        settings=_settings(config),
        problems=tuple(problems),
        online=report,
    )


async def _ask(sink: Sink) -> SinkProbeResult:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            probe = await sink.probe()
    except TimeoutError:
        probe = Probe(ok=False, detail=f"does not answer within {PROBE_TIMEOUT_S:.0f} s")
    except ExporterError:
        raise
    except Exception as error:  # noqa: BLE001 - a sink of another distribution may raise anything
        probe = Probe(
            ok=False, detail=f"raised {type(error).__name__}: {error}, which is a defect of the sink"
        )
    finally:
        await sink.close()
    return SinkProbeResult(sink.name, probe.ok, probe.detail)


async def _ask_discord(config: Config, chosen: Catalogue, problems: list[str]) -> OnlineReport | None:
    from exporter.discord.preflight import inspect_online
    from exporter.telemetry import Telemetry

    report = await inspect_online(
        config.discord, chosen.intents, tuple(chosen.permissions), Telemetry(), chosen.alternatives
    )
    for intent in report.refused:
        events = ", ".join(chosen.intents[intent])
        problems.append(
            f"Discord has not granted the intent {intent}; switch on {PRIVILEGED[intent]!r} in the Developer "
            f"Portal, or switch off what needs it: {events}"
        )
    return report


def _token_problems(config: Config) -> Iterator[str]:
    from exporter.config.load import require_token
    from exporter.errors import ConfigError

    try:
        require_token(config)
    except ConfigError as error:
        yield from error.problems


def _application_id(config: Config) -> int | None:
    """The id a bot's token begins with, which is its application's for all but the oldest bots."""
    head = config.discord.token.get_secret_value().partition(".")[0] if config.discord.token else ""
    try:
        decoded = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True).decode(
            "ascii"
        )
    except (binascii.Error, ValueError):
        return None
    return int(decoded) if re.fullmatch(r"\d{15,20}", decoded) else None


def _blind_spots(chosen: Catalogue) -> tuple[PermissionLoss, ...]:
    found: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for event in chosen.events.values():
        for group, lost in event.losses.items():
            found.setdefault((group, lost), []).append(event.type)
    return tuple(
        PermissionLoss(name_together(group), tuple(types), lost, group)
        for (group, lost), types in found.items()
    )


def _settings(config: Config) -> dict[str, Any]:
    """The settings that differ from their defaults; secrets masked, members counted instead of named."""
    dumped = config.model_dump(mode="json", exclude_defaults=True)
    if "privacy" in dumped and "opt_out" in dumped["privacy"]:
        dumped["privacy"]["opt_out"] = counted(len(config.privacy.opt_out), "member")
    return dumped


def write_text(report: PreflightReport) -> str:
    """The report as text."""
    lines = [
        f"events     {len(report.on)} on, {len(report.off)} off"
        + (f" ({', '.join(report.off)})" if report.off else ""),
        f"intents    {report.intent_mask}",
    ]
    for intent in report.intents:
        why = ", ".join(intent.events) or "the names and ids of guilds, channels and roles"
        mark = f" [privileged: switch on {intent.privileged!r}]" if intent.privileged else ""
        lines.append(f"           {intent.name}{mark}: {why}")
    lines += [
        f"permissions {report.permission_integer} ({', '.join(report.permissions)})",
        f"invite     {report.invite}",
        "sinks      prometheus: ok, pulls from /metrics",
    ]
    lines += [
        f"           {sink.name}: {'ok' if sink.ok else 'FAILS'}, {sink.detail}" for sink in report.sinks
    ]
    lines.append("not recorded without a permission")
    lines += [
        f"           {spot.permission}: {spot.lost} ({', '.join(spot.events)})"
        + _blind_where(spot, report.online)
        for spot in report.blind
    ]
    if report.online is not None:
        lines += _online_lines(report.online)
    lines += ["settings   that differ from their defaults", *_setting_lines(report.settings)]
    lines += [f"problem    {problem}" for problem in report.problems]
    lines.append("ok" if report.ok else "not ok")
    return "".join(one_line(line) + "\n" for line in lines)


def _blind_where(spot: PermissionLoss, report: OnlineReport | None) -> str:
    if report is None:
        return ""
    missing = set(spot.together or (spot.permission,))
    guilds = sum(missing.issubset(guild.missing) for guild in report.blind)
    if guilds:
        return f"; missing in {guilds} of {counted(report.guilds, 'guild')}"
    return "; one of them is granted everywhere" if len(missing) > 1 else "; granted everywhere"


def _online_lines(report: OnlineReport) -> Iterator[str]:
    limit = report.session_start_limit
    guilds, shards = counted(report.guilds, "guild"), counted(report.shards, "shard")
    yield f"discord    {report.bot_name} ({report.bot_id}), {guilds}, {shards}"
    left = "unknown how many" if limit is None else f"{limit.remaining} of {limit.total}"
    yield f"           {left} sessions left today"
    for guild in report.blind[:20]:
        yield f"           guild {guild.id} {guild.name!r} lacks {', '.join(guild.missing)}"
    if len(report.blind) > 20:  # noqa: PLR2004 - as above: what fits on a screen
        yield f"           and {counted(len(report.blind) - 20, 'more guild')}"


def _setting_lines(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _setting_lines(value, f"{prefix}{name}.")
        else:
            yield f"           {prefix}{name}: {value if value == _MASKED else json.dumps(value)}"


def _with_text_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: str(item)
            if isinstance(item, int) and (key == "id" or key.endswith("_id"))
            else _with_text_ids(item)
            for key, item in value.items()
        }
    return [_with_text_ids(item) for item in value] if isinstance(value, list | tuple) else value
