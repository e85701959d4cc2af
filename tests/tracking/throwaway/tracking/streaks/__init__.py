"""Streaks: the state of a throw-away event, by guild."""
