"""What the tests of the API import from here; the fixtures themselves stand one folder up."""

from tests.integration.apps.conftest import MakeApi

__all__ = ["MakeApi"]
