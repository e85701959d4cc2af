"""Delivery: one file or package for each destination, one runner for all."""
