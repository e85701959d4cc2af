"""The source of dispatches: disnake's client, used for the connection only.

    socket ──inflate, outer frame──▶ intake(name, data, shard, received_at_ms)

disnake handles HELLO, heartbeats, IDENTIFY, RESUME, close codes and rate-limited REST. The meaning of a
dispatch is decided elsewhere: its payload goes to the intake as it came, and no guild, user or message object
is built or cached. This is the only package that imports disnake; ``gateway.adapter`` is the only module that
uses what disnake does not document.
"""
