import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_traces(traces: None) -> None:
    """Has all exports here share their traces."""
