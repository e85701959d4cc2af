"""Observability for Discord communities: counters, an exact event log and dashboards."""

__version__ = "0.1.0"
