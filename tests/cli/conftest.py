"""The command line, called in this process."""

import pytest
from command_line import Genedge, call


@pytest.fixture(scope="session")
def genedge() -> Genedge:
    """A function that runs a command line: arguments without the program's name, then `stdin`."""
    return call
