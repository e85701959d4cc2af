"""Counters, windows, snapshots and running totals."""
