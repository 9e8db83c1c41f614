"""The checkpoint picker in the sidebar, shared by all pages: shipped models, the visitor's own, an uploaded file."""

import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from latentscape.server.hosted import shared_server
from latentscape.site_map import FIRST_MODEL
from latentscape.ui import address
from latentscape.ui.own import add_model, models, remembered
from latentscape.ui.words import refused
from latentscape.work.belongings import Model
from vae_core import checkpoint
from vae_core.checkpoint import SHIPPED, Checkpoint
from vae_core.errors import BadInput
from vae_core.models import FAMILIES

KEPT = SHIPPED / "kept"
EXPLORED = tuple(name for name, family in FAMILIES.items() if family.decodes)  # those with a code: what the sidebar offers
ELSEWHERE = {name: family.page for name, family in FAMILIES.items() if name not in EXPLORED}  # where the others are offered


@dataclass(frozen=True)
class Choice:
    """One line of the picker. A file on disk, or the visitor's own."""

    label: str
    path: Path | None = None
    own: Model | None = None


def choices(kinds: tuple[str, ...] = EXPLORED, image_shape: tuple[int, int, int] | None = None) -> dict[str, Choice]:
    """Name -> choice: shipped, kept on this machine (unless it is shared), the visitor's own; of these kinds,
    and of those that read images of image_shape (None: of any).

    A file whose recipe cannot be read is a choice too: opening it says why.
    """
    found = {path.stem: Choice(f"{path.stem}", path) for path in sorted(SHIPPED.glob("*.json"))}
    if not shared_server():
        found |= {f"kept/{path.stem}": Choice(f"{path.stem} (kept)", path) for path in sorted(KEPT.glob("*.json"))}
    found |= {f"own/{model.name}": Choice(f"{model.name} (yours)", own=model) for model in models()}
    return {name: choice for name, choice in found.items() if _fits(_recipe(choice), kinds, image_shape)}


def _fits(recipe: dict, kinds: tuple[str, ...], image_shape: tuple[int, int, int] | None) -> bool:
    config = recipe.get("config")
    shape = config.get("image_shape") if isinstance(config, dict) else None
    return recipe.get("kind", kinds[0]) in kinds and (None in (shape, image_shape) or shape == list(image_shape))


def add_own(name: str, weights: bytes) -> str:
    """Put a checkpoint into the visitor's own list and choose it; returns its name. Raises BadInput where there is no room."""
    add_model(name, weights)
    st.session_state["checkpoint_wanted"] = f"own/{name}"
    return name


def keep(name: str, weights: bytes) -> str:
    """Keep a trained checkpoint: into checkpoints/kept when one person runs the app, else into the visitor's own list."""
    opened = checkpoint.open_bytes(weights, name)
    if shared_server():
        return add_own(name, weights)
    free = next(n for n in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if not (KEPT / f"{n}.json").exists())
    checkpoint.save(KEPT, free, weights, opened.recipe)
    st.session_state["checkpoint_wanted"] = f"kept/{free}"
    return free


def checkpoint_picker() -> None:
    """Draw the picker. The chosen model is what `chosen()` returns."""
    with st.sidebar:
        available = choices()
        address.read_one(MODEL)
        wanted = st.session_state.pop("checkpoint_wanted", None)
        if wanted in available:
            st.session_state["checkpoint"] = wanted
        if not available:
            st.caption("No trained model here yet. Train one, or open a file.")
        elif st.session_state.get("checkpoint") not in available:
            st.session_state["checkpoint"] = FIRST_MODEL if FIRST_MODEL in available else next(iter(available))
        if available:
            st.selectbox(
                "Model to explore", list(available), key="checkpoint", format_func=lambda name: available[name].label,
                persist_state="session", help="Shipped models, those you kept, and files you opened.",
            )
            _describe(available[st.session_state["checkpoint"]])
        with st.popover("Open a file", icon=":material/folder_open:", width="stretch"):
            st.file_uploader(
                "A .safetensors file saved by Latentscape", type=["safetensors"], key="checkpoint_upload", on_change=_uploaded,
                max_upload_size=checkpoint.MAX_BYTES // 2**20,
                help=f"At most {checkpoint.MAX_BYTES // 2**20} MB. It stays in memory, and other visitors do not see it.",
            )
        if note := st.session_state.pop("checkpoint_note", None):
            st.success(note)
        if problem := st.session_state.pop("checkpoint_problem", None):
            refused("The file was not opened.", problem)


def chosen() -> Checkpoint | None:
    """The model that the picker shows, opened; None where there is none. Shared by visitors: never change it.

    Raises BadInput where the file is damaged.
    """
    name = st.session_state.get("checkpoint", "")
    return opened(name) if name in choices() else None


def first() -> Checkpoint | None:
    """The model that a visitor meets; None where it is not shipped."""
    path = SHIPPED / f"{FIRST_MODEL}.json"
    return _open_path(str(path), path.stat().st_mtime_ns) if path.exists() else None


def opened(name: str, kinds: tuple[str, ...] = EXPLORED) -> Checkpoint:
    """The model called `name` in `choices(kinds)`, opened. Shared by visitors: never change it.

    Raises BadInput where the file is damaged.
    """
    choice = choices(kinds)[name]
    if choice.path is not None:
        return _open_path(str(choice.path), choice.path.stat().st_mtime_ns)
    return replace(_open_own(choice.own), name=choice.label)


def _open_path(path: str, changed: int) -> Checkpoint:
    return remembered(("model", path, changed), lambda: checkpoint.open_file(Path(path)), "Opening the model …")


def _open_own(model: Model) -> Checkpoint:
    make = lambda: checkpoint.open_bytes(model.weights, "This model")  # noqa: E731
    return remembered(("model", model.id), make, "Opening the model …", own=True)


def _recipe(choice: Choice) -> dict:
    """The recipe as plain JSON; empty where it cannot be read."""
    try:
        if choice.path is None:
            return checkpoint.embedded_recipe(choice.own.weights, choice.label).model_dump()
        return _recipe_beside(str(choice.path), choice.path.stat().st_mtime_ns)
    except (OSError, BadInput):
        return {}


@functools.lru_cache(maxsize=256)  # Streamlit's own cache would copy a hundred recipes at every run of a page
def _recipe_beside(path: str, changed: int) -> dict:
    """Shared by visitors: never change it."""
    try:
        recipe = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return recipe if isinstance(recipe, dict) else {}


def _describe(choice: Choice) -> None:
    recipe = _recipe(choice)
    try:
        loss = recipe["metrics"].get("test_loss")
        loss_text = f" · test loss {loss:.1f} nats" if isinstance(loss, float) else ""
        network = FAMILIES[recipe["kind"]].network.format(**recipe["config"])
        with st.container(key="model_about"):  # as small as a caption: latentscape/ui/shell.py
            st.text(f"{recipe['data']['name']} · {network}{loss_text}")
    except (KeyError, TypeError, AttributeError):
        st.caption("This file cannot be described; opening it says why.")


def _linked(name: str) -> None:
    if name in choices():
        st.session_state["checkpoint"] = name
    elif name:
        address.pass_over()
        where, _, plain = name.rpartition("/")
        # Said where it is as plain as all names of models are: whoever made the link may mean ill. Nobody's own is called.
        called = f"called {plain} " if plain == checkpoint.safe_name(plain) and where != "own" else ""
        raise BadInput(
            f"The model {called}that the address names is not here, and another one is shown. If you have its file, open it in "
            "the sidebar; if somebody sent you the link, ask them for it."
        )


MODEL = address.Word("checkpoint", lambda: st.session_state["checkpoint"], _linked)


def _uploaded() -> None:
    file = st.session_state.get("checkpoint_upload")
    if file is None:
        return
    name = checkpoint.safe_name(Path(file.name).stem)
    try:
        kind = checkpoint.open_bytes(file.getvalue(), file.name[:80]).recipe.kind
        add_own(name, file.getvalue())
        if kind in ELSEWHERE:
            st.session_state["checkpoint_note"] = f"{name} has no code to explore: choose it on {ELSEWHERE[kind]}."
    except BadInput as error:
        st.session_state["checkpoint_problem"] = str(error)
