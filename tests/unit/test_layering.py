"""model ← segmenter ← {cli, serving, batch}; data, training, evaluation, studies never reach inference."""

import ast
import functools
import graphlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "cris"
INFERENCE = (
    *("errors", "files", "jobs", "model", "segmenter", "image", "letterbox", "prediction", "masks"),
    *("registry", "weights", "checkpoint", "config_file", "engines", "calibration", "ambiguity", "agreement"),
    *("guided_filter", "huggingface", "stream", "video"),
)
NOT_INFERENCE = ("data", "training", "evaluation", "studies")
FLOORS_OF_DATA = (
    ("records", "paths", "scenes"),
    ("store", "annotations"),
    ("expressions", "inspection", "dataset"),
    ("stored", "rendered", "subset", "loading", "collages"),
    ("union", "sources"),
    ("open", "push"),
)
HEAVY = (
    "torch",
    "numpy",
    "cv2",
    "PIL",
    "pycocotools",
    "tokenizers",
    "safetensors",
    "huggingface_hub",
    "jinja2",
)


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def is_within(module: str, part: str) -> bool:
    return module == f"cris.{part}" or module.startswith(f"cris.{part}.")


def imports(module: str, tree: ast.Module, *, is_package: bool) -> Iterator[str]:
    """Names of the modules that a source imports anywhere, inside functions too."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=base, names=names, level=level):
                origin = importlib.util.resolve_name("." * level + (base or ""), package)
                for alias in names:
                    submodule = f"{origin}.{alias.name}"
                    yield submodule if submodule in MODULES else origin
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(to)), *_]
            ):
                if name in ("import_module", "__import__"):
                    yield importlib.util.resolve_name(to, package)


@functools.cache
def own_imports(module: str) -> frozenset[str]:
    """The modules of cris that a module of cris imports."""
    path = MODULES[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = imports(module, tree, is_package=path.name == "__init__.py")
    return frozenset(name for name in named if name.partition(".")[0] == "cris")


def reach(start: str) -> dict[str, list[str]]:
    """Every module of cris that a module leads to, with the chain of imports that leads there."""
    chains = {start: [start]}
    waiting = [start]
    while waiting:
        module = waiting.pop()
        for imported in own_imports(module) - chains.keys():
            chains[imported] = [*chains[module], imported]
            # cris/__init__.py names the public classes; who imports it for its version does not reach them.
            # An export on first use is no inference: it may calibrate on scenes.
            if imported in MODULES and imported != "cris" and not is_within(imported, "export"):
                waiting.append(imported)
    return chains


def is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def test_no_imports_go_in_a_circle() -> None:
    graph = {}
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tree.body = [node for node in tree.body if not is_for_types(node)]
        named = imports(module, tree, is_package=path.name == "__init__.py")
        graph[module] = {name for name in named if name in MODULES and name != "cris"}
    del graph["cris"]  # it names the public classes, and imports them when they are asked for
    # the one factory of a base class that makes a derived one, when it is asked for
    graph["cris.segmenter"] -= {"cris.huggingface.segmenter"}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", [m for m in MODULES if any(is_within(m, part) for part in INFERENCE)])
def test_inference_reaches_neither_data_nor_training_nor_evaluation(module: str) -> None:
    for reached, chain in reach(module).items():
        assert not any(is_within(reached, part) for part in NOT_INFERENCE), " → ".join(chain)


@pytest.mark.parametrize("module", [m for m in MODULES if is_within(m, "model")])
def test_model_knows_nothing_of_who_uses_it(module: str) -> None:
    for reached, chain in reach(module).items():
        assert not any(is_within(reached, part) for part in ("segmenter", "cli", "serving", "batch")), (
            " → ".join(chain)
        )


@pytest.mark.parametrize("module", [m for m in MODULES if is_within(m, "data") and m != "cris.data"])
def test_rooms_of_data_stand_on_those_below(module: str) -> None:
    room = module.split(".")[2]
    (floor,) = [number for number, rooms in enumerate(FLOORS_OF_DATA) if room in rooms]
    below = {each for rooms in FLOORS_OF_DATA[:floor] for each in rooms}
    used = {name.split(".")[2] for name in own_imports(module) if is_within(name, "data")}
    assert used <= below | {room}


@pytest.mark.parametrize("module", [m for m in MODULES if not is_within(m, "cli") and m != "cris.__main__"])
def test_only_the_command_line_imports_the_command_line(module: str) -> None:
    assert not [name for name in own_imports(module) if is_within(name, "cli")]


@pytest.mark.parametrize("module", [m for m in MODULES if not is_within(m, "studies")])
def test_only_the_command_line_imports_studies(module: str) -> None:
    # the package itself names its public functions, and imports them when they are asked for
    if not is_within(module, "cli"):
        assert not [name for name in own_imports(module) if is_within(name, "studies")]


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import cris.data.scenes", "cris.data.scenes"),
        ("def f():\n    from cris.data import scenes", "cris.data"),
        ("from . import config", "cris.model.config"),
        ("from .config import CrisConfig", "cris.model.config"),
        ("from ..data.scenes import Scenes", "cris.data.scenes"),
        ("import importlib\nimportlib.import_module('cris.data')", "cris.data"),
    ],
)
def test_every_form_of_import_is_seen(source: str, imported: str) -> None:
    found = set(imports("cris.model.neck", ast.parse(source), is_package=False))
    assert any(name == imported or name.startswith(f"{imported}.") for name in found)


@pytest.mark.parametrize(
    "code",
    [
        "import cris",
        "import cris.cli",
        "import sys, cris.cli\nsys.argv = ['cris', '--help']\ntry: cris.cli.main()\nexcept SystemExit: pass",
    ],
    ids=["cris", "cris.cli", "help"],
)
def test_starting_up_loads_nothing_heavy(code: str) -> None:
    report = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert "cris" in loaded
    assert not [name for name in loaded if name.partition(".")[0] in HEAVY]
    assert not [name for name in loaded if any(is_within(name, part) for part in NOT_INFERENCE)]
