"""Every lesson, run again: does each output still equal the saved one?"""

from pathlib import Path

import pytest
from saved_outputs import differences

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_outputs_are_as_saved(path: Path) -> None:
    faults = differences(path)
    assert not faults, "\n".join(faults)
