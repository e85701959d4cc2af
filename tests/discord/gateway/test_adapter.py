"""What the adapter uses of disnake and aiohttp beyond their documentation behaves as it says.

One test per private name, against a real connection; a failure after an upgrade says which name moved. The
last tests hold every other module to the adapter.
"""

from __future__ import annotations

import ast
import asyncio
import json
import threading
import tomllib
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import disnake
import pytest
from disnake.gateway import DiscordClientWebSocketResponse, DiscordWebSocket
from disnake.http import Route
from disnake.voice_client import VoiceClient
from packaging.requirements import Requirement

from exporter.discord.gateway import adapter
from exporter.discord.gateway.adapter import (
    ApiClient,
    ConnectionLost,
    ConnectionOnlyClient,
    GatewaySocket,
    api_base,
    set_api_base,
)
from tests.discord.fake_gateway import BOT, SESSION, Connection, Gateway
from tests.discord.harness import TOKEN, until

ROOT = Path(__file__).parents[3]
ADAPTER = ROOT / "exporter/discord/gateway/adapter.py"
INTENTS = 1 | 1 << 9


class Api(ApiClient):
    """The REST client with the smallest login."""

    async def static_login(self, token: str) -> Any:
        self.use_session(token, trace=aiohttp.TraceConfig(), timeout=aiohttp.ClientTimeout(total=10))
        return await self.get("/users/@me")


class Line:
    """A client with at most one shard, and what it was called with."""

    def __init__(self, *, compress: bool = False, silence: float | None = None) -> None:
        self.attached: list[GatewaySocket] = []
        self.identifying: list[int] = []
        self.messages: list[str | bytes] = []
        self.heartbeats = 0
        self.noted_before_hello: object = "not attached"
        self.client = ConnectionOnlyClient(
            lambda loop: Api(loop=loop),
            intents=INTENTS,
            compress=compress,
            silence=silence,
            attach=self._attach,
            identifying=self.identifying.append,
        )

    @property
    def socket(self) -> GatewaySocket:
        return self.attached[-1]

    def _attach(self, socket: GatewaySocket) -> None:
        self.attached.append(socket)
        self.noted_before_hello = socket.note_frame
        socket.receive_with(self._receive, self._count_heartbeat)

    def _count_heartbeat(self) -> None:
        self.heartbeats += 1

    async def _receive(self, message: str | bytes) -> None:
        self.messages.append(message)
        await self.socket.handle(message if isinstance(message, str) else message.decode())

    async def connect(self, gateway: Gateway, **session: Any) -> Connection:
        """Connect shard 0 and read until READY or RESUMED."""
        await self.client.login(TOKEN)
        self.client.set_shard_count(1)
        await self.client.connect_shard(0, gateway.ws_url, **session)
        connection = await gateway.connected()
        await self.read_until("RESUMED" if session else "READY")
        return connection

    async def read_until(self, name: str) -> None:
        while name not in self.names():
            await self.socket.poll()

    async def read_until_lost(self) -> Exception:
        """Read on until the connection ends; how it did."""
        async with asyncio.timeout(10):
            while True:
                try:
                    await self.socket.poll()
                except (ConnectionLost, disnake.ConnectionClosed) as error:
                    return error

    def names(self) -> list[str]:
        """The dispatches received."""
        frames = [json.loads(message) for message in self.messages]
        return [frame["t"] for frame in frames if frame["op"] == 0]


@pytest.fixture
async def line(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Line]]:
    monkeypatch.setattr(Route, "BASE", gateway.url)
    made: list[Line] = []

    def make(**options: Any) -> Line:
        made.append(Line(**options))
        return made[-1]

    yield make
    for used in made:
        for socket in used.attached:
            await socket.close(4000)
        await used.client.close()


async def test_a_socket_is_attached_before_its_first_frame_and_gets_every_message(gateway, line) -> None:
    """from_client, _update_references, received_message."""
    used = line()
    await used.connect(gateway)
    assert [socket.shard_id for socket in used.attached] == [0]
    assert json.loads(used.messages[0])["op"] == 10
    assert used.names() == ["READY"]


async def test_the_hook_is_called_once_before_identify_which_carries_intents_shard_and_token(
    gateway, line
) -> None:
    """before_identify_hook, shard_count, _connection, Intents.value."""
    used = line()
    await used.connect(gateway)
    assert used.identifying == [0]
    (identify,) = [command["d"] for command in gateway.commands if command["op"] == 2]
    assert (identify["intents"], identify["shard"], identify["token"]) == (INTENTS, [0, 1], TOKEN)


async def test_a_session_is_resumed_with_its_id_and_sequence(gateway, line) -> None:
    used = line()
    await used.connect(gateway, session_id="abc", sequence=7)
    assert used.identifying == []
    assert gateway.commands == [{"op": 6, "d": {"token": TOKEN, "session_id": "abc", "seq": 7}}]


async def test_ready_sets_the_session_and_builds_nothing_but_the_bot(gateway, line) -> None:
    """parsers, clear, ClientUser, session_id, sequence, resume_gateway."""
    used = line()
    assert used.client.bot_id == 0
    connection = await used.connect(gateway)
    assert used.client.bot_id == int(BOT["id"])
    assert (used.socket.session_id, used.socket.sequence) == (SESSION, 1)
    assert used.socket.resume_url == f"{gateway.ws_url}/resume"
    await connection.dispatch("GUILD_CREATE", {"id": "5", "members": [], "channels": []})
    await used.read_until("GUILD_CREATE")
    assert used.client.guilds == []


async def test_heartbeats_and_resumes_carry_the_sequence_that_was_set(gateway, line) -> None:
    """sequence."""
    gateway.interval = 0.05
    used = line()
    await used.connect(gateway)
    sent: list[object] = []
    send = used.socket._send_heartbeat

    async def keep(data: Any) -> None:
        sent.append(data["d"])
        await send(data)

    used.socket._send_heartbeat = keep
    used.socket.numbered.sequence = 4242
    await until(lambda: 4242 in sent)


async def test_a_heartbeat_is_reported_as_it_leaves_and_its_answer_never_warned_of_as_late(
    gateway, line, caplog: pytest.LogCaptureFixture
) -> None:
    """send_heartbeat, _keep_alive, _last_send: disnake's thread notes a heartbeat only after it was sent."""
    used = line()
    await used.connect(gateway)
    keep_alive = used.socket._keep_alive
    assert keep_alive is not None
    keep_alive._last_send -= 3600  # the heartbeat before, as its thread left it
    await used.socket._ws.send_heartbeat(keep_alive.get_payload())
    assert used.heartbeats == 1
    keep_alive.ack()
    assert keep_alive.latency < 10
    assert not [record for record in caplog.records if "behind" in record.getMessage()]


async def test_the_heartbeat_starts_with_hello_and_counts_the_frames_it_is_notified_of(gateway, line) -> None:
    """_keep_alive, tick; its thread takes a connection for dead if it was not notified of a frame."""
    gateway.interval = 0.05
    gateway.scripts = [_silent_but_open]
    used = line(silence=0.3)
    await used.client.login(TOKEN)
    await used.client.connect_shard(0, gateway.ws_url)
    assert used.noted_before_hello is None
    assert used.socket.note_frame is not None
    for _ in range(20):
        used.socket.note_frame()
        await asyncio.sleep(0.03)
    assert used.socket.close_code is None, "it was notified of frames for twice the silence that is tolerated"
    await until(lambda: used.socket.close_code == 4000)


async def _silent_but_open(connection: Connection) -> None:
    connection.acknowledge = False
    await connection.hello()
    await connection.closed.wait()


async def test_silence_set_before_hello_ends_the_connection(gateway, line) -> None:
    """_max_heartbeat_timeout, by the reader as well as by the heartbeat's thread."""
    used = line(silence=60.0)
    await used.connect(gateway)
    used.socket.set_silence(0.05)
    assert isinstance(await used.read_until_lost(), ConnectionLost)


async def test_the_code_that_was_sent_goes_before_the_one_received(gateway, line) -> None:
    """_close_code, socket.close_code."""
    used = line()
    connection = await used.connect(gateway)
    assert used.socket.close_code is None
    await connection.close(4007)
    assert isinstance(await used.read_until_lost(), ConnectionLost)
    assert used.socket.close_code == 4007
    await used.socket.close(4000)
    assert used.socket.close_code == 4000


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013, 4014])
async def test_a_refusal_is_raised_with_its_code(gateway, line, code: int) -> None:
    """_can_handle_close."""
    used = line()
    connection = await used.connect(gateway)
    await connection.close(code)
    error = await used.read_until_lost()
    assert isinstance(error, disnake.ConnectionClosed)
    assert error.code == code


async def test_frames_sent_before_the_peer_acknowledges_a_close_are_received(gateway, line) -> None:
    """aiohttp's _writer: its close discards them."""
    used = line()
    connection = await used.connect(gateway)
    for number in range(100):
        await connection.dispatch("MESSAGE_CREATE", {"id": str(number)})
    await used.socket.send_close(1000)
    assert isinstance(await used.read_until_lost(), ConnectionLost)
    assert used.names() == ["READY"] + ["MESSAGE_CREATE"] * 100
    await asyncio.wait_for(connection.closed.wait(), 10)
    assert connection.close_code == 1000


async def test_closing_ends_the_heartbeats_thread(gateway, line) -> None:
    gateway.interval = 0.05
    before = set(threading.enumerate())
    used = line()
    await used.connect(gateway)
    heartbeats = [thread for thread in set(threading.enumerate()) - before if hasattr(thread, "tick")]
    assert len(heartbeats) == 1
    await used.socket.close(4000)
    await until(lambda: not heartbeats[0].is_alive())


async def test_requests_and_websockets_use_the_session_that_was_set(gateway, line) -> None:
    """HTTPClient.__session, token, ws_response_class; the session's trace sees both."""
    used = line()
    await used.connect(gateway)
    assert isinstance(used.socket._ws.socket, DiscordClientWebSocketResponse)
    assert used.client.http.token == TOKEN
    assert "users/@me" in gateway.rest


async def test_an_answer_whose_type_is_spelt_otherwise_is_parsed(gateway, line) -> None:
    """HTTPClient.request leaves it as text."""
    used = line()
    await used.client.login(TOKEN)
    body = json.dumps({"id": "1"})
    for content_type in ("application/json", "application/json; charset=utf-8"):
        gateway.failures = [
            aiohttp.web.Response(body=body.encode(), headers={"Content-Type": content_type, "Via": "1.1"})
        ]
        assert await used.client.http.get("/guilds/{guild_id}", {"with_counts": "true"}, guild_id=1) == {
            "id": "1"
        }
    assert gateway.rest[-1] == "guilds/1"


async def test_the_base_address_is_read_when_a_route_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Route.BASE."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    set_api_base("http://elsewhere")
    assert api_base() == "http://elsewhere"
    assert Route("GET", "/gateway/bot").url == "http://elsewhere/gateway/bot"


async def test_missing_voice_libraries_are_not_warned_of(
    line, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """VoiceClient.warn_nacl, warn_dave; disnake resets them after its first warning in a process."""
    monkeypatch.setattr(VoiceClient, "warn_nacl", True)
    monkeypatch.setattr(VoiceClient, "warn_dave", True)
    line()
    assert not [record for record in caplog.records if "voice" in record.getMessage()]


def _private_names(tree: ast.AST) -> list[tuple[int, str]]:
    """Attributes with a leading underscore of anything but the object's own class."""
    return [
        (node.lineno, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and not (isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"})
    ]


UNDOCUMENTED = {
    *("disnake.gateway", "disnake.state", "disnake.http", "disnake.user", "disnake.voice_client"),
    "disnake.utils",
}


def _imports(tree: ast.AST) -> set[str]:
    return {
        name
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }


def test_only_the_adapter_knows_disnakes_undocumented_modules_and_private_names() -> None:
    found: dict[str, object] = {}
    libraries = {"disnake", "aiohttp"}
    for path in sorted((ROOT / "exporter").rglob("*.py")):
        tree = ast.parse(path.read_text())
        imports = _imports(tree)
        inside = path.is_relative_to(ROOT / "exporter/discord")
        uses = inside or any(name.split(".")[0] in libraries for name in imports)
        if path == ADAPTER or not uses:
            continue
        if wrong := sorted(imports & UNDOCUMENTED) + _private_names(tree):
            found[str(path.relative_to(ROOT))] = wrong
    assert found == {}
    assert _private_names(ast.parse(ADAPTER.read_text())), "or the search finds nothing"


def test_private_names_of_base_classes_are_set_in_the_adapter_only() -> None:
    """Through ``self`` a subclass reaches private names too: no other module has a subclass of disnake's."""
    bases = {
        (str(path.relative_to(ROOT)), ast.unparse(base))
        for path in (ROOT / "exporter/discord").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    subclassed = {(path, base) for path, base in bases if base in {"ApiClient", "ConnectionOnlyClient"}}
    assert subclassed == {("exporter/discord/rest/client.py", "ApiClient")}
    theirs = {"HTTPClient", "ConnectionState", "disnake.Client"}
    assert {path for path, base in bases if base in theirs or base.startswith(("disnake.", "aiohttp."))} == {
        str(ADAPTER.relative_to(ROOT))
    }


@pytest.mark.parametrize("library", ["disnake", "aiohttp"])
def test_both_libraries_have_an_upper_bound_that_holds_what_is_installed(library: str) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (requirement,) = [
        found for line in declared if (found := Requirement(line)).name.split("[")[0] == library
    ]
    assert any(bound.operator in {"<", "<="} for bound in requirement.specifier)
    assert requirement.specifier.contains(version(library))


def test_every_name_is_documented() -> None:
    for owner in (GatewaySocket, ApiClient, ConnectionOnlyClient):
        for name, member in vars(owner).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, property)):
                assert member.__doc__, f"{owner.__name__}.{name}"
    for name, member in vars(adapter).items():
        if not name.startswith("_") and getattr(member, "__module__", "") == adapter.__name__:
            assert member.__doc__, name
    assert not hasattr(DiscordWebSocket, "__slots__"), "methods are replaced on an instance"
