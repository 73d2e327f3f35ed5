"""Run docs/notebook.ipynb against a served world and keep what it shows, without Jupyter.

    python -m tools.run_notebook LINK [--notebook docs/notebook.ipynb]

A cell shows what it prints and the value of its last expression, as notebooks do: ``_repr_html_`` and ``_repr_jpeg_``
where there are such, else its repr.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import os
from pathlib import Path
from typing import Any

NOTEBOOK = Path("docs/notebook.ipynb")
Cell = dict[str, Any]


def run(notebook: dict[str, Any]) -> list[Cell]:
    """The cells of a notebook with the outputs that their code has now, in one namespace. Raises what a cell raises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells: list[Cell] = []
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell = {
                **cell,
                "execution_count": count,
                "outputs": _outputs("".join(cell["source"]), names, count),
            }
        cells.append(cell)
    return cells


def _outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        shown = {"data": _shown(value), "execution_count": count, "metadata": {}}
        outputs.append({"output_type": "execute_result", **shown})
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    """What a notebook shows of a value, by MIME type."""
    if hasattr(value, "_repr_html_"):
        return {"text/html": _lines(value._repr_html_())}
    if hasattr(value, "_repr_jpeg_"):
        return {"image/jpeg": base64.b64encode(value._repr_jpeg_()).decode()}
    return {"text/plain": _lines(repr(value))}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("link", help="of a world, as `wonderzoom serve` prints it")
    parser.add_argument("--notebook", type=Path, default=NOTEBOOK)
    arguments = parser.parse_args()
    os.environ["WONDERZOOM_LINK"] = arguments.link
    notebook = json.loads(arguments.notebook.read_text(encoding="utf-8"))
    notebook["cells"] = run(notebook)
    arguments.notebook.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
