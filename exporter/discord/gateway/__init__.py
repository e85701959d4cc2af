"""The connection to Discord's gateway: shards, sessions, heartbeats, frames."""
