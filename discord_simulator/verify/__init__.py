"""The simulator's ledger against what the stores hold, number by number."""
