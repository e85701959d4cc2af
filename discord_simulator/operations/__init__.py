"""Operations: each changes the state of a guild, records it in the ledger and publishes its events.

An operation makes no random choice of its own: actor, target and time are arguments, chosen by a behaviour.
"""
