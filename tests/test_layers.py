"""Arrows run one way: pages -> latentscape.ui -> latentscape.work -> vae_core. Nobody enters the room of another page; the core
knows no screen and no cluster, and never prints."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "latentscape"
ROOMS = {path.parent.name for path in (APP / "ui").glob("*/__init__.py")}
CORE = sorted((ROOT / "vae_core").rglob("*.py"))
SCREEN_AND_CLUSTER = {"streamlit", "plotly", "dask", "distributed"}
COMMAND_LINES = {"commands.py", "train_cli.py", "inpainting_cli.py", "sample.py", "encode.py", "judge.py"}


def imported(path: Path) -> set[str]:
    """The full names of all modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its layer"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def prints_of(source: str) -> list[int]:
    """Lines that write to the terminal: print, or a write to sys.stdout or sys.stderr."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "pprint")
        stream = isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "__stdout__", "__stderr__")
        if called or stream:
            lines.append(node.lineno)
    return lines


def modules_after(code: str) -> set[str]:
    """The top-level modules in memory after `code` ran in a process of its own, and what it printed must be nothing else."""
    code += "\nimport json, sys\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, f"importing printed: {lines[:-1]}"
    return set(json.loads(lines[0]))


def test_the_core_is_found():
    assert {"data.py", "vae.py", "train.py", "checkpoint.py", "evaluate.py"} <= {path.name for path in CORE}


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_no_file_of_the_core_imports_a_screen_or_a_cluster(path):
    assert tops(imported(path)) & SCREEN_AND_CLUSTER == set()


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_nothing_runs_from_the_core_to_the_pages(path):
    others = {"latentscape", "pages", "latent_pad", "streamlit_app", "benchmarks", "checkpoints", "tests"}
    assert tops(imported(path)) & others == set()


def test_training_does_not_load_its_command_line_and_the_core_loads_no_screen_and_no_cluster():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in CORE]
    loaded = modules_after(
        "import sys\n"
        "import vae_core.train\n"
        "assert 'vae_core.train_cli' not in sys.modules, 'the core loads its command line'\n"
        + "".join(f"import {name}\n" for name in names)
        # imports inside functions count too
        + "from vae_core import data, evaluate\n"
        "d = data.load('digits')\n"
        "x = data.to_float(d.test_images)\n"
        "evaluate.knn_accuracy(x.flatten(1), d.test_labels, x.flatten(1), d.test_labels)\n"
        "evaluate.linear_probe(x, d.test_labels, x, d.test_labels, shown=20)\n"
    )
    assert {"torch", "sklearn"} <= loaded  # the look at sys.modules works
    assert loaded & {*SCREEN_AND_CLUSTER, "latentscape", "pages"} == set()


@pytest.mark.parametrize("path", [path for path in CORE if path.name not in COMMAND_LINES], ids=lambda path: path.name)
def test_the_functions_of_the_core_never_print(path):
    assert prints_of(path.read_text()) == []


def test_the_look_for_prints_finds_them():
    assert prints_of("def f():\n    print(1)\n") == [2]
    assert prints_of("import sys\nsys.stderr.write('x')\n") == [2]
    assert prints_of((ROOT / "vae_core" / "train_cli.py").read_text())


def unpickling(source: str) -> list[int]:
    """Lines of calls that can run what a file says: numpy's load too, unless it is told there and then not to."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    told = {call for call in calls if "allow_pickle=False" in map(ast.unparse, call.keywords)}
    return [call.lineno for call in calls if ast.unparse(call.func) in ("torch.load", "eval", "exec")
            or (ast.unparse(call.func) in ("np.load", "numpy.load") and call not in told)]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.name)
def test_the_core_never_reads_pickles(path):
    assert tops(imported(path)) & {"pickle", "dill", "joblib", "marshal", "shelve"} == set()
    assert unpickling(path.read_text()) == []


def test_the_look_for_pickles_finds_them():
    assert unpickling("np.load(f)\nnp.load(f, allow_pickle=True)\nnp.load(f, allow_pickle=no)\ntorch.load(f)") == [1, 2, 3, 4]
    assert unpickling("np.load(f, allow_pickle=False)") == []


def test_a_worker_does_not_load_streamlit():
    loaded = modules_after("import latentscape.work.worker\n")
    assert "distributed" in loaded
    assert loaded & {"streamlit", "plotly"} == set()


def test_runs_know_neither_streamlit_nor_dask():
    assert tops(imported(APP / "work" / "runs.py")) & {"streamlit", "dask", "distributed"} == set()
    assert modules_after("import latentscape.work.runs\n") & SCREEN_AND_CLUSTER == set()


@pytest.mark.parametrize("path", sorted((APP / "work").rglob("*.py")), ids=lambda path: path.name)
def test_work_knows_no_screen(path):
    names = imported(path)
    assert tops(names) & {"streamlit", "plotly"} == set()
    assert not [name for name in names if name.startswith(("latentscape.ui", "latentscape.server"))]


@pytest.mark.parametrize("path", sorted((ROOT / "latent_pad").rglob("*.py")), ids=lambda path: path.name)
def test_the_pad_does_not_know_the_app(path):
    assert tops(imported(path)) & {"latentscape", "pages", "streamlit_app", "tests"} == set()


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_nobody_enters_the_room_of_another_page(path):
    own = path.relative_to(APP / "ui").parts[0] if path.is_relative_to(APP / "ui") else ""
    entered = {name.split(".")[2] for name in imported(path) if name.startswith("latentscape.ui.")} & ROOMS
    assert entered <= {own}


def test_the_rooms_are_found():
    assert {"explore", "map", "train"} <= ROOMS


@pytest.mark.parametrize("path", sorted(APP.rglob("*.py")), ids=lambda path: str(path.relative_to(APP)))
def test_nothing_runs_from_the_app_to_the_pages(path):
    assert tops(imported(path)) & {"pages", "streamlit_app", "tests"} == set()
