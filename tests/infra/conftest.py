"""What tests of several subjects share."""

from collections.abc import Iterator

import pytest

from tests.cloudformation import Installation, installed_on_aws


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """EmoScribe's AWS resources, deployed anew for each file: what one leaves in a queue is not the next one's."""
    with installed_on_aws(tmp_path_factory.mktemp("aws")) as made:
        yield made
