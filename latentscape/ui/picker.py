"""The checkpoint picker in the sidebar, shared by all pages: shipped models, the visitor's own, those that others lend, a file.

A model has a name of two parts among them: mnist-2d ships, kept/NAME lies on this machine's disk, own/NAME in the memory of a
server that others share, link/LINK is another visitor's.
"""

import functools
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from latentscape.server.hosted import shared_server
from latentscape.site_map import FIRST_MODEL
from latentscape.ui import address
from latentscape.ui.own import add_model, borrow, lent_models, models, remembered, store
from latentscape.ui.visitor import visitor
from latentscape.ui.words import refused
from latentscape.work.belongings import Model
from vae_core import checkpoint
from vae_core.checkpoint import SHIPPED, Checkpoint
from vae_core.errors import BadInput
from vae_core.models import FAMILIES

KEPT = SHIPPED / "kept"
ZIPPED = b"PK\3\4"  # how a zip file begins
ENCODERS = tuple(name for name, family in FAMILIES.items() if family.encodes)  # those that say where an image lies
EXPLORED = tuple(name for name, family in FAMILIES.items() if family.decodes)  # those with a code: what the sidebar offers
ELSEWHERE = {name: family.page for name, family in FAMILIES.items() if name not in EXPLORED}  # where the others are offered


@dataclass(frozen=True)
class Choice:
    """One line of the picker. A file on disk, or what is in the memory for a visitor."""

    label: str
    path: Path | None = None
    own: Model | None = None
    plain: str = ""  # what its owner calls it; empty where it is not the visitor's to name


def choices(kinds: tuple[str, ...] = EXPLORED, image_shape: tuple[int, int, int] | None = None) -> dict[str, Choice]:
    """Name -> choice: shipped, kept on this machine (unless it is shared), the visitor's own, what was lent to them; of these
    kinds, and of those that read images of image_shape (None: of any).

    A file whose recipe cannot be read is a choice too: opening it says why.
    """
    found = {path.stem: Choice(f"{path.stem}", path) for path in sorted(SHIPPED.glob("*.json"))}
    if not shared_server():
        found |= {
            f"kept/{path.stem}": Choice(f"{path.stem} (kept)", path, plain=path.stem) for path in sorted(KEPT.glob("*.json"))
        }
    found |= {f"own/{model.name}": Choice(f"{model.name} (yours)", own=model, plain=model.name) for model in models()}
    found |= {f"link/{model.link}": Choice(f"{model.name} (by link)", own=model) for model in lent_models()}
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
    """Keep a trained checkpoint: into checkpoints/kept when one person runs the app, else into the visitor's own list. It is
    chosen then; what is kept already stays the only one. Returns its name among `choices`."""
    opened = checkpoint.open_bytes(weights, name)
    if (kept := kept_as(weights)) is None:
        shared = shared_server()
        free = _free(name, {model.name for model in models()} if shared else {path.stem for path in KEPT.glob("*.json")})
        kept = f"own/{free}" if shared else f"kept/{free}"
        if shared:
            add_model(free, weights)
        else:
            checkpoint.save(KEPT, free, weights, opened.recipe)
    st.session_state["checkpoint_wanted"] = kept
    return kept


def kept_as(weights: bytes) -> str | None:
    """What this checkpoint is called among `choices` where it is kept; None where it is not."""
    if shared_server():
        return next((f"own/{model.name}" for model in models() if model.weights == weights), None)
    digest = hashlib.sha256(weights).hexdigest()
    kept = (path for path in sorted(KEPT.glob("*.json")) if _recipe(Choice("", path)).get("weights_sha256") == digest)
    return next((f"kept/{path.stem}" for path in kept), None)


def _free(name: str, taken: set[str]) -> str:
    return next(free for free in (name, *(f"{name}-{i}" for i in range(2, 10_000))) if free not in taken)


def called(words: str) -> str:
    """The name that these words make. Raises BadInput where they make none."""
    if not any(letter.isascii() and letter.isalnum() for letter in words):
        raise BadInput("A name is made of the letters a to z and of digits; type one or more of these.")
    return checkpoint.safe_name(words)


def rename(name: str, words: str) -> str:
    """Call a model of the visitor's otherwise; its new name among `choices`. Raises BadInput where it cannot be called so."""
    here, new = choices(tuple(FAMILIES)), called(words)
    choice, renamed = here[name], f"{name.partition('/')[0]}/{new}"
    if renamed == name:
        return name
    if renamed in here:
        raise BadInput(f"There is a model called {new} already; choose another name, or delete that one first.")
    if choice.path is None:
        choice.own.name = new
    else:
        opened = checkpoint.open_file(choice.path)
        checkpoint.save(KEPT, new, _weights_beside(choice.path).read_bytes(), opened.recipe)
        _unlink(choice.path)
    return renamed


def delete(name: str) -> None:
    """Delete a model of the visitor's. Raises BadInput where the disk does not let it."""
    choice = choices(tuple(FAMILIES))[name]
    if choice.path is None:
        store().remove(choice.own)
    else:
        _unlink(choice.path)


def _unlink(path: Path) -> None:
    try:
        for file in (path, _weights_beside(path)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"The model {path.stem} could not be deleted ({error.strerror}).") from error


def _weights_beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}.safetensors")


def checkpoint_picker(kinds: tuple[str, ...] = EXPLORED) -> None:
    """Draw the picker, with models of these kinds. The chosen model is what `chosen()` returns."""
    with st.sidebar:
        address.read_one(MODEL)
        available = choices(kinds)
        wanted = st.session_state.pop("checkpoint_wanted", None)
        if wanted in available:
            st.session_state["checkpoint"] = wanted
        if not available:
            st.caption("No trained model here yet. Train one, or open a file.")
        elif (gone := st.session_state.get("checkpoint")) not in available:
            if str(gone).startswith("link/"):
                st.info("The model that a link had opened to you was taken back, or its owner has left; another one is shown.")
            if gone in choices():
                st.info("The model that was shown draws pictures and encodes none; here another one is shown.")
            st.session_state["checkpoint"] = FIRST_MODEL if FIRST_MODEL in available else next(iter(available))
        if available:
            st.selectbox(
                "Model to explore", list(available), key="checkpoint", format_func=lambda name: available[name].label,
                persist_state="session", help="Shipped models, those you kept, and files you opened.",
            )
            _describe(available[st.session_state["checkpoint"]])
        with st.popover("Open a file", icon=":material/folder_open:", width="stretch"):
            st.file_uploader(
                "A .safetensors file saved by Latentscape, or the zip file of a training", type=["safetensors", "zip"],
                key="checkpoint_upload", on_change=_uploaded, max_upload_size=checkpoint.MAX_BYTES // 2**20,
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
    """What it is; where it ships, before that what it is for: the title in its recipe, which checkpoints/build.py gives it."""
    recipe = _recipe(choice)
    try:
        family, loss = FAMILIES[recipe["kind"]], recipe["metrics"].get("test_loss")
        about = f"{recipe['data']['name']} · {family.network.format(**recipe['config'])}"
        if isinstance(loss, float):
            about += f" · test loss ({family.config(**recipe['config']).loss_name}) {family.terms[0].said(loss)}"
        with st.container(key="model_about", gap=None):  # as small as a caption: latentscape/ui/shell.py
            if choice.path is not None and choice.path.parent == SHIPPED:
                st.text(recipe["title"])
            st.text(about)
    except (KeyError, TypeError, AttributeError, BadInput):
        st.caption("This file cannot be described; opening it says why.")


def _say_model() -> str:
    """Of a model of the visitor's that others may open its link, and else its name."""
    name = st.session_state["checkpoint"]
    return next((f"link/{model.link}" for model in models() if model.link and name == f"own/{model.name}"), name)


def _linked(name: str) -> None:
    where, _, plain = name.rpartition("/")
    lent = borrow(plain) if where == "link" else None
    if lent is not None and lent.owner == visitor():
        name = f"own/{lent.name}"
    if name in choices():
        st.session_state["checkpoint"] = name
    elif lent is not None:
        _tell_where(lent.name, checkpoint.embedded_recipe(lent.weights, lent.name).kind)
    elif name:
        address.pass_over()
        # Said where it is as plain as all names of models are: whoever made the link may mean ill. Nobody's own is called.
        called = f"called {plain} " if plain == checkpoint.safe_name(plain) and where not in ("own", "link") else ""
        raise BadInput(
            f"The model {called}that the address names is not here, and another one is shown. If you have its file, open it in "
            "the sidebar; if somebody sent you the link, ask them for it."
        )


MODEL = address.Word("checkpoint", _say_model, _linked)


def _uploaded() -> None:
    file = st.session_state.get("checkpoint_upload")
    if file is None:
        return
    try:
        raw, given = file.getvalue(), Path(file.name).name[:80]
        stem, weights = checkpoint.unbundled(raw, given) if raw.startswith(ZIPPED) else (Path(file.name).stem, raw)
        kind, name = checkpoint.open_bytes(weights, given).recipe.kind, checkpoint.safe_name(stem)
        add_own(name, weights)
        _tell_where(name, kind)
    except BadInput as error:
        st.session_state["checkpoint_problem"] = str(error)


def _tell_where(name: str, kind: str) -> None:
    """Of a model that the picker does not offer."""
    if kind in ELSEWHERE:
        st.session_state["checkpoint_note"] = f"{name} has no code to explore: choose it on {ELSEWHERE[kind]}."
