"""Moderation: audit entries matched with dispatches, look-ups, catch-up, timeouts."""
