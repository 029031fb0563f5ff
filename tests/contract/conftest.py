"""On the plain model and on the Rust engine; what is told of a market, by both versions of the rules."""

import pytest

from .script import BookScript
from .venues import ModelVenue, RustVenue, Venue


@pytest.fixture(params=[ModelVenue, RustVenue], ids=["model", "rust"])
def venue(request: pytest.FixtureRequest) -> Venue:
    made: Venue = request.param()
    return made


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def book(venue: Venue, request: pytest.FixtureRequest) -> BookScript:
    return BookScript(venue, request.param)


@pytest.fixture
def book_v2(venue: Venue) -> BookScript:
    return BookScript(venue)
