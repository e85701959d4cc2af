from __future__ import annotations

from hypothesis import settings

from tests.scale import scaled

# For the property tests that leave the number of examples to Hypothesis.
settings.register_profile("scaled", max_examples=scaled(100))
settings.load_profile("scaled")
