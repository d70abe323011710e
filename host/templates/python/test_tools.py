"""The tools are functions still: `pytest` calls them."""

from tools import greet


def test_a_person_is_greeted():
    assert greet("Ada") == "Hello, Ada!"
