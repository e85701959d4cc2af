"""Structure: changes of roles, channels, threads, emoji, stickers."""
