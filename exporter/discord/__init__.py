"""The source: the real disnake client, used lean.

    socket ──inflate, outer frame──▶ intake(name, data, shard, received_at_ms)

disnake speaks the protocol: HELLO, heartbeat, IDENTIFY, RESUME, close codes, rate-limited REST. What a
dispatch means is decided elsewhere: the payload goes to the intake as it came, and no guild, user or message
is ever built or cached. This is the only package that imports disnake.
"""
