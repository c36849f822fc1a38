"""What a student would see go wrong in an open notebook, in words; nothing if all is well."""

from typing import Any

from lab import NOTEBOOK, Notebook, text_of

FRAMES = 300  # that JupyterLab has to lay out a cell and its pictures once it is in sight
# Pictures of each cell, scrolled to: those that JupyterLab was given, and those that can be seen.
PICTURES = f"""async () => {{ {NOTEBOOK}
    const cells = [];
    for (const [index, widget] of notebook.widgets.entries()) {{
        const given = (widget.model.outputs?.toJSON() || []).filter(
            o => o.data && ('image/png' in o.data || 'image/jpeg' in o.data)).length;
        const images = () => [...widget.node.querySelectorAll('img')];
        if (given + images().length === 0) continue;
        const look = () => images().map(img => {{
            const [cell, box] = [widget.node, img].map(node => node.getBoundingClientRect());
            return {{
                loaded: img.complete && img.naturalWidth > 0,
                size: [box.width, box.height],
                inside: box.left >= cell.left - 1 && box.right <= cell.right + 1
                    && box.top >= cell.top - 1 && box.bottom <= cell.bottom + 1,
            }}
        }});
        const settled = seen => seen.length >= given
            && seen.every(img => img.loaded && img.inside && Math.min(...img.size) > 20);
        let seen = [];  // cells above that are filled meanwhile push this one out of sight again
        for (let i = 0; i < 2 || i < {FRAMES} && !settled(seen); i++) {{
            widget.node.scrollIntoView({{block: 'center'}});
            await new Promise(requestAnimationFrame);
            seen = look();
        }}
        cells.push({{index, given, seen}})
    }}
    return cells
}}"""
FORMULAS_ARE_IN = f"""() => {{ {NOTEBOOK}
    const markdown = notebook.widgets.filter(w => w.model.type === 'markdown');
    return document.querySelector('.jp-Notebook mjx-container') !== null
        || !markdown.some(w => /\\$[^$\\n]+\\$/.test(w.model.sharedModel.source))
}}"""
# Tables and printed lines that are cut off at the right edge of their cell.
CUT_OFF = f"""() => {{ {NOTEBOOK}
    const parts = '.jp-OutputArea-output table, .jp-OutputArea-output pre, '
        + '.jp-MarkdownOutput table, .jp-MarkdownOutput pre, .jp-MarkdownOutput mjx-container';
    return notebook.widgets.flatMap((widget, index) => {{
        const edge = widget.node.getBoundingClientRect().right + 1;
        return [...widget.node.querySelectorAll(parts)]
            .filter(part => part.getBoundingClientRect().right > edge
                || part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0)
            .map(part => [index, part.tagName.toLowerCase(), part.textContent.slice(0, 60)])
    }})
}}"""
# What is shown where something cannot be shown.
BROKEN = (
    ("formula", ".jp-Notebook mjx-merror, .jp-Notebook .katex-error"),
    ("dialog", ".jp-Dialog"),
    ("hidden", ".jp-TrimmedOutputs"),
    ("widget", ".jp-OutputArea-output:has-text('Error displaying widget')"),
    ("widget", ".jp-OutputArea-output:has-text('Loading widget...')"),
    ("widget", ".jp-OutputArea-output .jupyter-widgets-error-widget"),
)


def in_outputs(notebook: Notebook) -> list[str]:
    """Exceptions, warnings and cells that were not run."""
    faults = []
    for index, cell in enumerate(notebook.cells()):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                faults.append(f"cell {index}: {output['ename']}: {output['evalue']}")
            if output.get("name") == "stderr":
                faults.append(f"cell {index}: {text_of(output)}")
        if cell["type"] == "code" and cell["source"].strip() and cell["count"] is None:
            faults.append(f"cell {index}: not run")
    return faults


def in_pictures(notebook: Notebook) -> list[str]:
    """Pictures that are missing, empty, hidden or larger than their cell."""
    faults = []
    for cell in notebook.page.evaluate(PICTURES):
        where, seen = f"cell {cell['index']}", cell["seen"]
        if len(seen) < cell["given"]:
            faults.append(f"{where}: {len(seen)} of {cell['given']} pictures are on the page")
        for picture in seen:
            if not picture["loaded"]:
                faults.append(f"{where}: a picture that cannot be shown")
            elif min(picture["size"]) < 20:
                faults.append(f"{where}: a picture of {picture['size']} pixels")
            elif not picture["inside"]:
                faults.append(f"{where}: a picture that is larger than its cell")
    return faults


def on_page(notebook: Notebook) -> list[str]:
    """Formulas, widgets, tables and lines that are not shown as they should be; boxes that ask."""
    notebook.page.wait_for_function(FORMULAS_ARE_IN)
    cut: list[Any] = notebook.page.evaluate(CUT_OFF)
    faults = [f"cell {index}: {kind} cut off: {text!r}" for index, kind, text in cut]
    for what, selector in BROKEN:
        faults += [f"{what}: {text}" for text in notebook.page.locator(selector).all_inner_texts()]
    return faults


def all_of(notebook: Notebook) -> list[str]:
    return [*in_outputs(notebook), *in_pictures(notebook), *on_page(notebook), *notebook.troubles]
