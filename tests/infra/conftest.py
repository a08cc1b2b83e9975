"""What tests of several subjects share."""

from collections.abc import Iterator

import pytest

from tests.cloudformation import Installation, installed_on_aws


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """EmoScribe's AWS resources, deployed."""
    with installed_on_aws(tmp_path_factory.mktemp("aws")) as made:
        yield made
