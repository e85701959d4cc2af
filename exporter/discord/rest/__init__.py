"""Requests to Discord's REST API: queue, rate limits, worker."""
