"""What the README says is there, is there; its commands parse, its Python runs, its figures are those of the files."""

import json
import re
import shlex
import subprocess

import pytest
from conftest import ROOT

from latentscape.site_map import PAGES
from vae_core import checkpoint
from vae_core.train_cli import _parser

README = (ROOT / "README.md").read_text()


def blocks(language: str = "") -> list[str]:
    """The fenced blocks of one language, in order."""
    return [content for fence, content in re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL) if fence == language]


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)\b", README, re.MULTILINE))
    assert {"run", "test", "checkpoints", "bench"} <= named <= targets


def test_every_training_command_parses():
    commands = [line for block in blocks() for line in block.splitlines() if "-m vae_core.train" in line]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command, comments=True)
        assert _parser().parse_args(words[words.index("vae_core.train") + 1 :]).data == "mnist"


def test_the_inpainting_command_parses():
    from vae_core.inpainting_cli import _parser as inpainting_parser

    (command,) = [line for block in blocks() for line in block.splitlines() if "-m vae_core.inpainting" in line]
    assert inpainting_parser().parse_args(shlex.split(command)[3:]).images == 2000


def test_the_python_examples_run_as_far_as_the_first_record():
    loading, training = blocks("python")
    scope: dict = {}
    exec(loading, scope)
    assert (scope["codes"].shape, scope["images"].shape) == ((8, 2), (8, 1, 28, 28))
    scope.clear()
    exec(training.replace("    ...", "    break"), scope)
    assert scope["record"].batch == 1


def test_every_page_has_a_row_and_every_row_a_page():
    rows = re.findall(r"^\| ([\w ]+) \| `(/\w*)` \|", README, re.MULTILINE)
    assert rows == [(title, "/" + address) for title, _, address in PAGES.values()]
    assert {path.name for path in (ROOT / "pages").glob("*.py")} == {path.removeprefix("pages/") for path in PAGES}


def test_the_tree_names_what_is_there():
    tree = next(block for block in blocks() if "streamlit_app.py    " in block)
    named = [line.split()[0] for line in tree.splitlines()]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {f"{path.split('/')[0]}/" for path in tracked if "/" in path and not path.startswith((".", "data/", "docs/"))}
    assert all((ROOT / name).exists() for name in named)
    assert folders <= set(named)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)]+)\)", README))
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


def test_the_table_of_models_is_that_of_the_files():
    rows = dict(re.findall(r"^\| `((?:mnist|fashion|shapes)-[\w-]*)` \| .* \| ([\d.]+)", README, re.MULTILINE))
    files = {path.stem: json.loads(path.read_text()) for path in (ROOT / "checkpoints").glob("*.json")}
    assert rows == {name: f"{recipe['metrics']['test_loss']:.2f}" for name, recipe in files.items()}


def test_every_shipped_model_is_small_and_in_the_table_of_commands():
    from checkpoints.build import RECIPES

    files = list((ROOT / "checkpoints").glob("*.safetensors"))
    assert {path.stem for path in files} == set(RECIPES)
    assert all(path.stat().st_size <= 8_000_000 for path in files)


def test_the_command_of_a_shipped_model_is_the_one_that_trained_it():
    from checkpoints.build import RECIPES, trainings

    for name in RECIPES:
        recipe, asked = checkpoint.open_file(ROOT / "checkpoints" / name).recipe, trainings(name)
        assert recipe.command == " && ".join(f"python -m vae_core.train {words}" for words in asked)
        options = vars(_parser().parse_args(asked[-1].split()))
        for field, value in recipe.training.items():
            assert options[field] in (value, None, "auto"), (name, field)
