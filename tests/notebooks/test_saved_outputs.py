"""Every lesson, run again: does each output still equal the saved one?"""

from pathlib import Path

from saved_outputs import differences

LESSONS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def again(path: Path) -> type:
    """Make the test of one lesson: a class, so that a free worker can take it by itself."""
    def test_outputs_are_as_saved(self: object) -> None:
        assert not (faults := differences(path)), "\n".join(faults)

    return type(f"Test_{path.stem}", (), {"test_outputs_are_as_saved": test_outputs_are_as_saved})


globals().update({f"Test_{path.stem}": again(path) for path in LESSONS})
