"""Voice: sessions and their time by state."""
