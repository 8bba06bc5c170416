"""Notebooks, executed as the site is built: their cells and what these show, as Markdown."""

import base64
import posixpath
import tempfile

import nbformat
from nbclient import NotebookClient

LONGEST_S = 600
"""Seconds that a cell may take."""


def pages(uri: str, content: str) -> dict[str, str | bytes]:
    """Execute a notebook; return its page and the images of it.

    Args:
        uri: path of the notebook in docs/.
        content: the notebook, without outputs.

    Raises:
        CellExecutionError: a cell fails.
    """
    stem = uri.removesuffix(".ipynb")
    name = posixpath.basename(stem)
    notebook = nbformat.reads(content, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=LONGEST_S,
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
        )
        client.execute()
    found: dict[str, str | bytes] = {}
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            shown = _data(output)
            if "image/png" in shown:
                image = f"{name}-{len(found) + 1}.png"
                found[f"{posixpath.dirname(stem)}/{image}"] = base64.b64decode(shown["image/png"])
                parts.append(f"![Output of the cell above]({image})")
            elif "text/html" in shown:
                parts.append(f"<div>{shown['text/html']}</div>")
            elif text := shown.get("text/plain", "").rstrip():
                parts.append(f"```{{.text .output}}\n{text}\n```")
    download = f"[Download this notebook]({name}.ipynb); all below was run when this site was built."
    title, *rest = parts
    found[f"{stem}.md"] = "\n\n".join([title, download, *rest])
    return found


def _data(output: nbformat.NotebookNode) -> dict[str, str]:
    """Return what an output shows, by its kind; nothing for progress and warnings."""
    if output.output_type == "stream":
        return {"text/plain": output.text} if output.name == "stdout" else {}
    return dict(output.get("data", {}))
