"""What these tests take from their neighbours: the API in this process, on real servers."""

from tests.integration.apps.conftest import MakeApi, api, make_api, same_day

__all__ = ["MakeApi", "api", "make_api", "same_day"]
