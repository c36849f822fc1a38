"""The checks of the lessons, checked: each is green on a good lesson and red on a broken one."""

import base64
import copy
import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import papermill
import pytest
import rules
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_code import write_notebook
from saved_outputs import differences

from course_lib.tools.lessons import kernel_environment

PIXEL = base64.b64encode(b"no real picture, but nobody looks at it here").decode()
HOME, SCRATCH = (f"/{top}/ann" for top in ("home", "tmp"))  # of nobody
ALT = "Two ants meet on a leaf, one of them carries a seed."
OPENING = "# Count ants\n\n**You will learn** to count. **You need** nothing. **Time**: a second."
SAID = ("Wrong", "Right", "Wrong")
OPTIONS = [f"<details><summary>{n}</summary>{said}. So.</details>" for n, said in enumerate(SAID)]
QUESTIONS = ["\n\n".join([f"**{n}.** How many?", *OPTIONS]) for n in (1, 2, 3)]
QUIZ = "\n\n".join(["## Quick quiz", *QUESTIONS])
SHOW = f"""alt = "{ALT}"
display({{"image/png": "{PIXEL}",
         "text/plain": alt}}, metadata={{"image/png": {{"alt": alt}}}}, raw=True)"""
VERDICT = "Do ants win? holds: +0.100 ± 0.020 (3 seeds)\n"
IGNORE, WIDGET = "nbval-ignore-output", "application/vnd.jupyter.widget-view+json"
Change = Callable[[NotebookNode], object]


def lesson() -> NotebookNode:
    ignored = {"tags": [IGNORE, "reason-timing"]}
    cells = [
        new_markdown_cell(OPENING),
        new_code_cell('ants = 3\nplace = "leaf"', metadata={"tags": ["parameters"]}),
        new_code_cell('print(f"{ants} ants on a {place}")\nants + 1'),
        new_code_cell(SHOW),
        new_markdown_cell("**Figure 1.** Two ants."),
        new_code_cell('display({"text/markdown": f"| {ants} |"}, raw=True)'),
        new_code_cell("import time\nprint(time.time())", metadata=ignored),
        new_markdown_cell(QUIZ + "\n\n## Recap\n\nCounted.\n\n## Going further\n\nMore ants."),
    ]
    return new_notebook(cells=cells)


def execute(notebook: NotebookNode, path: Path) -> NotebookNode:
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, path)
    with kernel_environment():
        done = papermill.execute_notebook(str(path), None, progress_bar=False, cwd=path.parent)
    done.metadata = {k: done.metadata[k] for k in ("kernelspec", "language_info")}
    for cell in done.cells:
        cell.metadata = {"tags": cell.metadata.tags} if cell.metadata.tags else {}
    nbformat.write(done, path)
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[NotebookNode, Path]:
    path = tmp_path_factory.mktemp("a course 课程") / "01_ants.ipynb"
    return execute(lesson(), path), path


def set_source(index: int, text: str) -> Change:
    return lambda notebook: notebook.cells[index].update(source=text)


def all_of(*changes: Change) -> Change:
    return lambda notebook: [change(notebook) for change in changes]


def add_output(output: NotebookNode) -> Change:
    return lambda notebook: notebook.cells[2].outputs.append(output)


def set_tags(index: int, *tags: str) -> Change:
    return lambda notebook: notebook.cells[index].metadata.update(tags=list(tags))


def figure(**changes: object) -> Change:
    return lambda notebook: notebook.cells[3].outputs[0].update(changes)


def described(alt: str, mime: str = "image/png") -> Change:
    return figure(data={mime: PIXEL, "text/plain": alt}, metadata={mime: {"alt": alt}})


def stream(text: str, name: str = "stdout") -> NotebookNode:
    return new_output("stream", name=name, text=text)


def shown(text: str, mime: str = "text/html") -> NotebookNode:
    return new_output("display_data", {mime: text})


BROKEN: list[tuple[str, Change]] = [
    ("file_is_named_and_small", lambda nb: nb.cells[0].update(source="# A" + "b" * 1_500_000)),
    ("format_is_valid", lambda nb: nb.update(nbformat_minor=4)),
    ("format_is_valid", lambda nb: nb.cells[1].pop("outputs")),
    ("format_is_valid", lambda nb: nb.cells[1].update(id=nb.cells[2].id)),
    ("metadata_are_minimal", lambda nb: nb.metadata.kernelspec.update(name="my-env")),
    ("metadata_are_minimal", lambda nb: nb.metadata.update(papermill={})),
    ("metadata_are_minimal", lambda nb: nb.cells[1].metadata.update(papermill={})),
    ("metadata_are_minimal", lambda nb: nb.cells[1].metadata.update(jupyter={"outputs_hidden": 1})),
    ("metadata_are_minimal", lambda nb: nb.cells[3].outputs[0].metadata.update(isolated=True)),
    ("no_attachments_and_no_widgets", lambda nb: nb.cells[0].update(attachments={"a.png": {}})),
    ("no_attachments_and_no_widgets", lambda nb: nb.metadata.update(widgets={})),
    ("no_attachments_and_no_widgets", add_output(shown("{}", WIDGET))),
    ("executed_in_order", lambda nb: [c.update(execution_count=None) for c in nb.cells]),
    ("executed_in_order", lambda nb: nb.cells[2].update(execution_count=9)),
    ("executed_in_order", lambda nb: nb.update(cells=nb.cells[:1])),
    ("no_errors_and_no_warnings", add_output(new_output("error"))),
    ("no_errors_and_no_warnings", add_output(stream("UserWarning", "stderr"))),
    ("no_machine_paths_and_no_hosts", add_output(stream(f"saved to {HOME}/model.pt"))),
    ("no_machine_paths_and_no_hosts", add_output(shown("<td>C:\\Users\\Ann</td>"))),
    ("no_machine_paths_and_no_hosts", set_source(2, f"open('{SCRATCH}')")),
    ("no_machine_paths_and_no_hosts", set_source(0, OPENING + " See /Users/ann/course.")),
    ("no_machine_paths_and_no_hosts", add_output(stream("http://localhost:8888/lab"))),
    ("no_machine_paths_and_no_hosts", set_source(0, OPENING + " pip --index-url https://b.org")),
    ("no_machine_paths_and_no_hosts", add_output(stream("from 192.168.1.17"))),
    ("outputs_are_compared", set_tags(6, IGNORE)),
    ("outputs_are_compared", set_tags(6, IGNORE, "reason-")),
    ("outputs_are_compared", set_tags(6, "reason-timing")),
    ("outputs_are_compared", set_tags(6, "nbval-skip", "reason-timing")),
    ("outputs_are_compared", set_tags(6, "raises-exception")),
    ("outputs_are_compared", set_source(2, "# NBVAL_IGNORE_OUTPUT\nprint(1)")),
    ("outputs_are_compared", all_of(*(set_tags(i, IGNORE, "reason-timing") for i in (2, 3)))),
    ("outputs_are_compared", lambda nb: [c.update(outputs=[]) for _, c in rules.code_cells(nb)]),
    ("parameters_are_plain", set_tags(1)),
    ("parameters_are_plain", set_tags(2, "parameters")),
    ("parameters_are_plain", set_source(1, "ants = int(3)")),
    ("parameters_are_plain", set_source(1, "ants = {3}")),
    ("parameters_are_plain", set_source(1, "# none")),
    ("parameters_are_used", set_source(1, 'ants = 3\nplace = "leaf"\nbees = 1')),
    ("parameters_are_used", set_source(2, "# place\nprint(ants, 'place')")),
    ("parameters_are_used", set_source(2, "ants = 4\nprint(ants, place)")),
    ("functions_keep_their_names", all_of(set_source(2, "def a(): 1"), set_source(3, "a = 1"))),
    ("figures_have_alt_text", described("")),
    ("figures_have_alt_text", described("Ants.")),
    ("figures_have_alt_text", described("<Figure size 640x480 with 1 Axes>")),
    ("figures_have_alt_text", figure(metadata={})),
    ("figures_have_alt_text", figure(data={"image/png": PIXEL, "text/plain": "something else"})),
    ("figures_have_alt_text", figure(output_type="execute_result", execution_count=3)),
    ("figures_have_alt_text", figure(data={"image/svg+xml": "<svg/>", "text/plain": ALT})),
    ("figures_have_alt_text", add_output(shown("<img src='a.png'>"))),
    ("figures_have_alt_text", set_source(0, OPENING + "\n![](a.png)")),
    ("figures_have_captions", set_source(4, "Two ants.")),
    ("figures_have_captions", set_source(4, "**Figure 2.** Two ants.")),
    ("figures_have_captions", set_source(4, "**Figure 1.**")),
    ("figures_have_captions", lambda nb: nb.cells.insert(6, nb.cells.pop(4))),
    ("figures_have_captions", lambda nb: nb.cells.pop(3)),
    ("code_is_in_small_pieces", set_source(2, "\n".join("print(ants, place)" for _ in range(26)))),
    ("code_is_in_small_pieces", all_of(*(set_source(i, "\n".join("a" * 16)) for i in (2, 3, 5)))),
    ("frame_is_complete", lambda nb: nb.cells.pop(0)),
    ("frame_is_complete", set_source(0, OPENING.replace("# Count", "## Count"))),
    ("frame_is_complete", set_source(0, OPENING.replace("**You will learn**", "You learn"))),
    ("frame_is_complete", set_source(0, OPENING.replace("**You need**", "You need"))),
    ("frame_is_complete", set_source(0, OPENING.replace("**Time**", "Time"))),
    ("frame_is_complete", set_source(7, "## Going further\n\nMore.")),
    ("frame_is_complete", set_source(7, "## Recap\n\nCounted.\n\n```\n## Going further\n```")),
    ("frame_is_complete", set_source(7, "# More\n## Recap\n## Going further")),
    ("quiz_answers_every_option", set_source(7, QUIZ.replace("**3.**", "**4.**"))),
    ("quiz_answers_every_option", set_source(7, QUIZ.replace("**2.** How", "How"))),
    ("quiz_answers_every_option", set_source(7, QUIZ.replace(OPTIONS[0], ""))),
    ("quiz_answers_every_option", set_source(7, QUIZ.replace("Right", "Wrong"))),
    ("quiz_answers_every_option", set_source(7, QUIZ.replace("Wrong. So", "Right. So"))),
    ("quiz_answers_every_option", set_source(7, QUIZ.replace("Wrong. So.", "Wrong."))),
    ("it_is_short", add_output(stream("".join(f"{i}? holds: +0.1\n" for i in range(6))))),
    ("it_is_short", add_output(stream("equal: True\nless: False\n" * 3))),
    ("it_is_short", set_source(0, OPENING + " word" * 2700)),
    ("it_is_short", set_source(2, "print(ants, place)\n" * 350)),
    ("it_is_short", set_source(2, "print(ants, place)  # " + "x" * 80)),
    ("it_is_short", set_source(7, f"{QUIZ}\n```python\n{'x' * 89}\n```")),
    ("it_is_short", lambda nb: nb.cells.extend(new_markdown_cell("More.") for _ in range(63))),
]
BY_NAME = {rule.__name__: rule for rule in rules.RULES}


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_good_lesson_keeps_to(rule: rules.Rule, good: tuple[NotebookNode, Path]) -> None:
    assert rule(*good) == []


@pytest.mark.parametrize(("name", "break_it"), BROKEN)
def test_broken_lesson_is_found(name: str, break_it: Change, good, tmp_path: Path) -> None:
    notebook, path = copy.deepcopy(good[0]), tmp_path / good[1].name
    break_it(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    assert BY_NAME[name](notebook, path) != []


def test_every_rule_is_seen_to_fail_and_presets_are_checked() -> None:
    assert {name for name, _ in BROKEN} == set(BY_NAME)
    lessons = {"01_ants": {"epochs": 3, "rate": 0.1}, "02_bees": {"epochs": 1}}
    assert rules.preset_faults({"a": {"all": {"epochs": 1, "rate": 1}}}, lessons) == []
    assert rules.preset_faults({"a": {"01": {"rate": 0.5}}}, lessons) == []
    wrong = [{"all": {"epoch": 1}}, {"all": {"epochs": "1"}}, {"all": {"epochs": 1.0}}]
    for tables in [*wrong, {"02": {"rate": 0.5}}, {"03": {}}, {"epochs": 1}]:
        assert rules.preset_faults({"a": tables}, lessons) != []


def test_a_capital_in_the_name_is_found_and_photos_as_jpeg_need_alt_text_too(good, tmp_path):
    path = tmp_path / "Ants.ipynb"
    path.touch()
    assert rules.file_is_named_and_small(good[0], path) == ["name Ants.ipynb"]
    notebook, path = copy.deepcopy(good[0]), good[1]
    described(ALT, "image/jpeg")(notebook)
    for rule in rules.RULES:
        assert rule(notebook, path) == []
    figure(metadata={})(notebook)
    assert rules.figures_have_alt_text(notebook, path) != []


def prints(text: str) -> Change:
    return lambda cell: cell.outputs[0].update(text=text)


def shows(text: str, mime: str = "text/plain") -> Change:
    return lambda cell: cell.outputs[0].data.update({mime: text})


WARNS = "import sys\nprint('old', file=sys.stderr)"
# A cell each, and how its saved output, or the cell, is changed.
CHANGED: dict[str, tuple[str, Change]] = {
    "printed number": ("print(3, 'ants')", prints("4 ants\n")),
    "verdict": (f"print({VERDICT!r}, end='')", prints(VERDICT.replace("holds", "does not hold"))),
    "result": ("3 + 1", shows("5")),
    "missing output": ("print(3)\n4", lambda cell: cell.outputs.pop()),
    "alt text": (SHOW, shows("Two bees.")),
    "table": ("display({'text/markdown': '| 3 |'}, raw=True)", shows("| 4 |", "text/markdown")),
    "new warning": ("print(5)", lambda cell: cell.update(source=f"{WARNS}\nprint(5)")),
    "new exception": ("print(6)", lambda cell: cell.update(source="1 / 0")),
}
MAY_MOVE = (CHANGED["verdict"][0], prints(VERDICT.replace("+0.100 ± 0.020", "+0.098 ± 0.021")))


def test_every_changed_output_is_found(tmp_path: Path) -> None:
    path = tmp_path / "01_ants.ipynb"
    skipped = new_code_cell("7", metadata={"tags": ["nbval-skip"]})
    cells = [new_code_cell(source) for source, _ in [MAY_MOVE, *CHANGED.values()]]
    notebook = execute(new_notebook(cells=[*cells, skipped]), path)
    MAY_MOVE[1](notebook.cells[0])
    nbformat.write(notebook, path)
    last = len(cells)
    assert differences(path)[:-1] == [f"Cell {last}: skipped"]
    for cell, (_, change) in zip(notebook.cells[1:], CHANGED.values(), strict=False):
        change(cell)
    nbformat.write(notebook, path)
    found = [f"Cell {number}: failure" for number in range(1, last)]
    assert differences(path)[:-1] == [*found, f"Cell {last}: skipped"]


def test_a_kernel_that_dies_and_a_cell_that_outlives_its_time_are_found(tmp_path: Path) -> None:
    """nbval waits for a dead kernel until the time is over, and by itself passes the other."""
    path = tmp_path / "01_dead.ipynb"
    write_notebook(path, new_code_cell("import os\nos._exit(0)", execution_count=1))
    assert differences(path, cell_timeout=5) != []
    path = tmp_path / "01_slow.ipynb"
    source = "import time\ntry: time.sleep(30)\nexcept KeyboardInterrupt: print('done')"
    write_notebook(path, new_code_cell(source, execution_count=1, outputs=[stream("done\n")]))
    assert any("took" in fault for fault in differences(path, cell_timeout=2))
