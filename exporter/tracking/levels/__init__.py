"""Levels: experience earned by activity."""
