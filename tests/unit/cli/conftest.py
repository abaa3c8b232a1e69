"""An operator with a database without klanten."""

from pathlib import Path

import pytest

from tests.operator import Operator


@pytest.fixture
def operator(tmp_path: Path, new_database: Path) -> Operator:
    return Operator(tmp_path / "service", new_database)
