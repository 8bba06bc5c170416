from collections.abc import Iterator

import pytest

from tests.fixtures.plugin import MakeOnce
from tests.fixtures.traced import share_traces


@pytest.fixture(scope="session", autouse=True)
def traces(make_once: MakeOnce) -> Iterator[None]:
    """Traces a model once for all its exports."""
    with pytest.MonkeyPatch.context() as patch:
        share_traces(patch, make_once)
        yield
