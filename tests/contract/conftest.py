"""Every contract test runs twice: on the plain model and on the Rust engine."""

import pytest

from .script import BookScript
from .venues import ModelVenue, RustVenue, Venue


@pytest.fixture(params=[ModelVenue, RustVenue], ids=["model", "rust"])
def venue(request: pytest.FixtureRequest) -> Venue:
    made: Venue = request.param()
    return made


@pytest.fixture
def book(venue: Venue) -> BookScript:
    return BookScript(venue)
