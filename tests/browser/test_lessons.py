"""Every lesson in JupyterLab, as a student meets it: opened, run, looked at, and answered."""

import platform
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import faults
import lab
import pytest
from lab import Notebook, text_of
from notebook_code import exercises, wrong_answers
from playwright.sync_api import BrowserContext, Page

from course_lib.datasets import course_root
from course_lib.tools.lessons import Lesson, find_lessons, plan, read_preset

NOTEBOOKS = course_root() / "notebooks"
LESSONS = find_lessons(NOTEBOOKS)
VALUES = plan(LESSONS, read_preset(NOTEBOOKS, "smoke")[0])
SMOKE = {lesson.name: values for lesson, values in zip(LESSONS, VALUES, strict=True)}
# These run with the parameters they were saved with, and must say what they said then.
AS_SAVED, WITH_BARS = ("00", "19"), ("00", "07")
DECIMALS = re.compile(r" [+-]\d\.\d+ ± \d\.\d+ \(")  # of a verdict: as in sanitize.cfg
VERDICT = re.compile(r"(Right|Wrong)\. ")
HAS_CHANGED = """before => (img => img?.complete && img.getAttribute('src') !== before)(
    document.querySelector('.jp-OutputArea-output:has([role=slider]) img'))"""


@pytest.fixture(scope="module")
def url(browser: BrowserContext, course: Path) -> Iterator[str]:
    with lab.server(course) as address:
        yield address


@pytest.fixture(scope="module", params=LESSONS, ids=lambda lesson: lesson.name)
def lesson(request: pytest.FixtureRequest) -> Lesson:
    return request.param


@pytest.fixture(scope="module")
def opened(lesson, url, browser, pictures: Path | None) -> Iterator[Notebook]:
    """The lesson as saved, in a JupyterLab for all; a picture of its last state, if wanted."""
    page = browser.pages[0] if browser.pages else browser.new_page()
    with closing(Notebook(page, url, f"notebooks/{lesson.path.name}")) as notebook:
        yield notebook
        if pictures:
            notebook.screenshot(pictures / f"{lesson.name}.jpg")


@pytest.fixture(scope="module")
def ran(lesson: Lesson, opened: Notebook) -> Notebook:
    """The lesson after all its cells were run, quickly unless it is one of AS_SAVED."""
    if lesson.name[:2] not in AS_SAVED:
        cells = opened.cells()
        (place,) = [i for i, cell in enumerate(cells) if "parameters" in cell["tags"]]
        opened.type(place, with_values(cells[place]["source"], SMOKE[lesson.name]))
    opened.run_all()
    return opened


def with_values(source: str, values: dict[str, Any]) -> str:
    for name, value in values.items():
        source = re.sub(rf"(?m)^{name} = [^#\n]*?(?= *#|$)", f"{name} = {value!r}", source)
    return source


def test_the_saved_lesson_is_shown_whole_unchanged_and_its_quiz_answers_a_click(lesson, opened):
    assert faults.all_of(opened) == []
    if f'"version": "{platform.python_version()}"' in lesson.path.read_text(encoding="utf-8"):
        assert opened.page.evaluate(lab.IS_SAVED)  # to open it is to change nothing
    (quiz,) = [i for i, cell in enumerate(opened.cells()) if "## Quick quiz" in cell["source"]]
    opened.cell(quiz).scroll_into_view_if_needed()  # JupyterLab draws what comes into sight
    folds = opened.page.locator(".jp-MarkdownOutput details").filter(has_text=VERDICT)
    folds.nth(8).wait_for()
    for fold in folds.all():
        assert not VERDICT.search(fold.inner_text())
        fold.locator("summary").click()
        assert VERDICT.search(fold.inner_text())
        fold.locator("summary").click()
        assert not VERDICT.search(fold.inner_text())


def test_it_runs_without_a_fault_bars_come_and_go_and_a_slider_changes_its_figure(lesson, ran):
    assert faults.all_of(ran) == []
    if lesson.name[:2] in AS_SAVED:
        assert said(ran.cells()) == said(ran.saved)
    assert ran.page.evaluate("() => window.barsSeen") > 0 or lesson.name[:2] not in WITH_BARS
    assert ran.page.locator(".jp-OutputArea-output", has_text=re.compile(lab.BAR)).count() == 0
    sliders = ran.page.get_by_role("slider").all()
    assert len(sliders) == any("import interact" in cell["source"] for cell in ran.cells())
    for slider in sliders:
        picture = ran.page.locator(".jp-OutputArea-output:has([role=slider]) img")
        value, before = slider.get_attribute("aria-valuenow"), picture.get_attribute("src")
        slider.focus()
        ran.page.keyboard.press("ArrowRight")
        ran.page.wait_for_function(HAS_CHANGED, arg=before)
        assert slider.get_attribute("aria-valuenow") != value and faults.all_of(ran) == []


def test_exercises_answer(lesson: Lesson, ran: Notebook) -> None:
    number = lesson.name[:2]
    for name, exercise in exercises(number).items():
        answer = "".join(text_of(output) for output in ran.cells()[exercise.place]["outputs"])
        assert answer.startswith("not attempted: ")
        (code, hint), *_ = wrong_answers(number)[name]  # tests/checks makes them all
        ran.type(exercise.place, f"{code}\n{exercise.call}\nchecks.lesson_{number}.{name}.hint()")
        answer = ran.run(exercise.place)
        assert answer.startswith("wrong: ") and hint in answer and "\nhint 1 of " in answer
        ran.type(exercise.place, f"{exercise.solution}\n{exercise.call}")
        assert ran.run(exercise.place).startswith("right: ")
    assert faults.all_of(ran) == []


@pytest.fixture(scope="module")
def page(browser: BrowserContext) -> Page:
    return browser.new_page()


def test_a_link_leads_to_the_data_card(url: str, page: Page) -> None:
    path = next(x.path for x in LESSONS if "../data/README.md" in x.path.read_text("utf-8"))
    notebook = Notebook(page, url, f"notebooks/{path.name}")
    page.get_by_role("link", name="data card").first.click()
    page.wait_for_function(lab.IS_OPEN, arg="data/README.md")
    page.wait_for_function(lab.IS_SEEN, arg="contact_sheet.jpg")
    assert notebook.troubles == []


def test_keys_run_a_lesson_and_its_quiz_and_it_is_whole_when_opened_again(url, course, page):
    """A copy of the first lesson, cleared and run with other parameters, without a mouse."""
    shutil.copy(LESSONS[0].path, course / "notebooks" / "by_keys.ipynb")
    by_keys = Notebook(page, url, "notebooks/by_keys.ipynb")
    press, write = page.keyboard.press, page.keyboard.insert_text
    press("ControlOrMeta+Shift+C")
    write("Clear Outputs of All Cells")
    press("Enter")
    page.wait_for_function(lab.IS_CLEAR)
    for cell in by_keys.cells():
        if "parameters" in cell["tags"]:
            press("Enter")
            press("ControlOrMeta+A")
            write(with_values(cell["source"], SMOKE[LESSONS[0].name]))
        press("Shift+Enter")
    by_keys.wait_until_run()
    press("Escape")  # the cell that Shift+Enter adds at the end
    assert faults.all_of(by_keys) == []
    cells = by_keys.cells()
    quiz = next(i for i, cell in enumerate(cells) if "## Quick quiz" in cell["source"])
    for _ in cells[quiz + 1 :]:
        press("ArrowUp")
    for key in ("Enter", "Space"):
        fold = by_keys.tab_to("details:has(> summary:focus)")
        assert not VERDICT.search(fold.inner_text())
        press(key)
        assert VERDICT.search(fold.inner_text())
    press("ControlOrMeta+S")
    page.wait_for_function(lab.IS_SAVED)
    by_keys.close()
    with closing(Notebook(page, url, "notebooks/by_keys.ipynb")) as again:
        assert [cell["count"] for cell in again.cells()] == [cell["count"] for cell in cells]
        assert faults.all_of(again) == []


def said(cells: list[dict[str, Any]]) -> list[tuple[str, str, list[Any]]]:
    """First line of each cell whose outputs are compared, what it printed, what it showed.

    Figures count by number and text; what bars leave, which is empty, and a slider's cell do not.
    """
    compared = []
    for cell in cells:
        if "nbval-ignore-output" in cell["tags"] or "import interact" in cell["source"]:
            continue
        printed, shown = defaultdict(str), []
        for output in cell["outputs"]:
            if output["output_type"] == "stream":
                printed[output["name"]] += text_of(output)
            elif output["pictures"] or any(output["data"].values()):
                shown.append((output["pictures"], output["data"]))
        if cell["type"] == "code":
            compared.append((cell["source"].split("\n")[0], DECIMALS.sub("", str(printed)), shown))
    return compared
