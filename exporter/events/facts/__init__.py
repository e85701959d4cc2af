"""What a reader makes of a dispatch, or a component of other facts. Most go straight into a window.

A fact of a dispatch says what Discord said and nothing more: who did it, what it belongs to and whether it
was known already is found out by the components, which have memory.
"""
