"""Opt-out and filters, after state and before anything counts."""
