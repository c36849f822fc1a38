"""Run a lesson again with nbval and say where its outputs differ from the saved ones."""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat

from course_lib.tools.lessons import kernel_environment

SETTINGS, SANITIZER = map(Path(__file__).with_name, ("nbval.ini", "sanitize.cfg"))
# pytest without a grammar of addresses that nbformat's checks would load, for over a second.
PYTEST = "import sys; sys.modules['rfc3987_syntax'] = None; import pytest; sys.exit(pytest.main())"


def differences(path: Path, cell_timeout: float = 600) -> list[str]:
    """Faults of a lesson's saved outputs; none if every cell ran in time and agreed.

    pytest's own verdict is not enough: nbval lets cells pass that took too long but swallowed
    the interrupt, and marks those after them as expected failures.
    """
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    with tempfile.TemporaryDirectory() as folder, kernel_environment():
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-c", PYTEST, "-c", str(SETTINGS), str(path)]
        command += [f"--junit-xml={report}", f"--nbval-cell-timeout={cell_timeout}"]
        command += [f"--nbval-sanitize-with={SANITIZER}"]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
        done = subprocess.run(command, cwd=path.parent, errors="replace", check=False, **how)
        cases = list(ET.parse(report).iter("testcase")) if report.exists() else []
    faults = []
    for case in cases:
        for kind in ("failure", "error", "skipped"):
            faults += [f"{case.get('name')}: {kind}" for _ in case.iter(kind)]
        if float(case.get("time", "0")) >= cell_timeout:
            faults.append(f"{case.get('name')}: took {case.get('time')} s")
    if len(cases) != len(cells):
        faults.append(f"{len(cases)} of {len(cells)} code cells were run")
    if done.returncode != 0 and not faults:
        faults.append(f"pytest ended with {done.returncode}")
    return [*faults, done.stdout] if faults else []
