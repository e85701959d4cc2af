"""Over kills, restarts and lost connections at any moment each action is one row, and each end a true one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.scale import scaled
from tests.tracking.moderation.absences import Absences


@pytest.mark.timeout(scaled(120))
@settings(max_examples=scaled(150), deadline=None)
@given(st.integers(0, 2**32), st.integers(5, 150), st.integers(1, 4))
@example(116, 25, 2)  # an update comes when the timeout it shows has run out, after its entry
@example(827562231, 102, 3)  # and before its entry
@example(7518052, 60, 2)  # an entry comes live before that of the same action before the gap is read
@example(14433707, 126, 2)  # two updates show one lifting, the second after a later entry
def test_over_any_absences_what_is_known_is_what_was_done(seed: int, steps: int, people: int) -> None:
    history = Absences(seed, steps, people)
    disk = history.play()
    assert history.found() == history.truth()
    assert disk.counts == Counter(action for action, *_ in history.truth().elements())
