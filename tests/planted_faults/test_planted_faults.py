"""The declared faults fit the code, and some of them are noticed; ``make planted`` plants all of them."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.planted_faults.planting import FAULTS, ROOT, copy_tree, failing, planted

PLANTED = ("COMMIT is skipped", "Retry-After is ignored", "state of a refused commit is dropped")
"""Quick ones, planted with every run of the tests."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return copy_tree(tmp_path_factory.mktemp("planted") / "tree")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_the_code_and_its_tests_are_there(fault):
    assert (ROOT / fault.file).read_text().count(fault.text) == 1
    assert fault.planted != fault.text
    assert fault.tests
    for test in fault.tests:
        path, *_, name = test.split("::") if "::" in test else (test, "test_")
        defined = re.compile(rf"^ *(async )?def {name}", re.MULTILINE)
        assert defined.search((ROOT / path).read_text())


def test_names_are_those_of_one_fault_each():
    names = Counter(fault.name for fault in FAULTS)
    assert set(names.values()) == {1}
    assert names.keys() >= set(PLANTED)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in PLANTED], ids=lambda f: f.name)
def test_a_planted_fault_is_noticed(tree, fault):
    with planted(tree, fault):
        assert failing(tree, fault.tests)


def test_the_copy_is_as_it_was_after_a_fault(tree):
    fault = FAULTS[0]
    with planted(tree, fault):
        assert (tree / fault.file).read_text() != (ROOT / fault.file).read_text()
    assert (tree / fault.file).read_text() == (ROOT / fault.file).read_text()


def test_a_test_that_is_not_there_shows_nothing(tree):
    assert failing(tree, ["tests/test_backoff.py::test_of_nothing"]) is None
