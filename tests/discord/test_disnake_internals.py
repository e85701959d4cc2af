"""What the source uses of disnake beyond its documented surface is still there.

A failure here after an upgrade says which assumption to check before anything else.
"""

from __future__ import annotations

import inspect

import pytest
from disnake import Client, ConnectionClosed, Intents
from disnake.gateway import DiscordClientWebSocketResponse, DiscordWebSocket, KeepAliveHandler
from disnake.http import HTTPClient, Route
from disnake.state import ConnectionState
from disnake.voice_client import VoiceClient


def _parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


def _source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]  # a class or function


def test_a_websocket_is_made_by_from_client_with_these_arguments() -> None:
    expected = ["client", "initial", "gateway", "shard_id", "session", "sequence", "resume"]
    assert _parameters(DiscordWebSocket.from_client) == expected


def test_from_client_knows_the_shard_then_updates_references_then_polls() -> None:
    source = _source(DiscordWebSocket.from_client)
    steps = [
        "ws_connect(",
        "ws._discord_parsers = client._connection.parsers",
        "ws.shard_id = shard_id",
        "ws._max_heartbeat_timeout = client._connection.heartbeat_timeout",
        "client._connection._update_references(ws)",
        "await ws.poll_event()",
        "await ws.identify()",
        "await ws.resume()",
    ]
    positions = [source.find(step) for step in steps]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_poll_event_calls_received_message_on_the_instance() -> None:
    source = _source(DiscordWebSocket.poll_event)
    assert "self.received_message(msg.data)" in source
    assert "self.socket.receive(timeout=self._max_heartbeat_timeout)" in source
    assert not hasattr(DiscordWebSocket, "__slots__")


@pytest.mark.parametrize(
    "attribute",
    [
        "_keep_alive",
        "_max_heartbeat_timeout",
        "_close_code",
        "sequence",
        "session_id",
        "resume_gateway",
        "socket",
    ],
)
def test_a_websocket_has_the_attributes_used(attribute: str) -> None:
    assert f"self.{attribute}" in _source(DiscordWebSocket)


def test_hello_makes_the_heartbeat_with_the_websockets_timeout() -> None:
    assert "self.heartbeat_timeout: float = ws._max_heartbeat_timeout" in _source(KeepAliveHandler.__init__)
    assert "KeepAliveHandler(" in _source(DiscordWebSocket.received_message)
    assert _parameters(KeepAliveHandler.tick) == ["self"]


def test_identify_waits_for_the_hook_just_before_it_is_sent() -> None:
    source = _source(DiscordWebSocket.identify)
    assert source.index('call_hooks("before_identify"') < source.index("send_as_json(payload)")
    assert _parameters(Client.before_identify_hook) == ["self", "shard_id", "initial"]
    assert "state._intents.value" in source


def test_the_clients_constructor_makes_rest_then_state() -> None:
    source = _source(Client.__init__)
    assert source.index("self.http: HTTPClient") < source.index("self._get_state(")


def test_the_states_constructor_sets_its_parsers_before_it_clears() -> None:
    source = _source(ConnectionState.__init__)
    assert source.index("self.parsers = parsers = {}") < source.index("self.clear()")
    assert _parameters(ConnectionState.clear) == ["self", "views", "application_commands", "modals"]


def test_the_rest_client_keeps_its_session_where_it_is_put() -> None:
    assert "self.__session" in _source(HTTPClient.request)
    assert "self.__session.ws_connect(" in _source(HTTPClient.ws_connect)
    assert issubclass(DiscordClientWebSocketResponse, object)
    assert _parameters(HTTPClient.static_login) == ["self", "token"]


def test_the_rest_base_is_a_class_attribute_routes_read_when_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "BASE", "http://elsewhere")
    assert Route("GET", "/gateway/bot").url == "http://elsewhere/gateway/bot"


def test_close_codes_that_end_a_shard_are_still_raised_with_their_code() -> None:
    source = _source(DiscordWebSocket._can_handle_close)
    assert "(1000, 4004, 4010, 4011, 4012, 4013, 4014)" in source
    assert "self.code" in _source(ConnectionClosed.__init__)


def test_intents_and_voice_warnings_are_set_as_the_client_sets_them() -> None:
    intents = Intents.none()
    intents.value = 1 << 9
    assert intents.value == 1 << 9
    assert isinstance(VoiceClient.warn_nacl, bool)
    assert isinstance(VoiceClient.warn_dave, bool)
