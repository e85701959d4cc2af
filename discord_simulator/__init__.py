"""A simulated Discord: gateway and REST API over sockets, traffic from a seed, and a ledger of all actions.

Three parts: the protocol side (``server``, ``gateway``, ``rest``, ``control``) sends frames and enforces
limits; the world (``world``, ``operations``, ``behaviours``, ``traffic``, ``scenarios``) decides what
happens; ``verify`` compares the ledger with what an observer stored. The first two know each other by
``ports`` alone, ``verify`` knows neither.
"""
