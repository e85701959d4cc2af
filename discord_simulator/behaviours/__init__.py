"""What people tend to do: each habit chooses who, where and what, and has it done by a deed.

A habit is a function of the scene that says whether it found anything to do. All choices come from the
scene's own random source and the world's state, never from a clock, so that a seed fixes their order.
"""
