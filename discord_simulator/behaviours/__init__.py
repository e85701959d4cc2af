"""Behaviours: each chooses guild, actor and target at random and performs an operation.

A behaviour is a function of the context that returns whether it found a target. All choices depend on the
context's random source and the state of the world, never on a clock, so that the seed determines their order.
"""
