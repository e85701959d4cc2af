"""Compares the ledger of a simulation with the content of the stores, number by number."""
