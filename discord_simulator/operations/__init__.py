"""What can happen in a guild: each deed changes the world, records it in the ledger and tells who may see it.

A deed is given everything it needs to know and chooses nothing by itself; the habits choose.
"""
