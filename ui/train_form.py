"""The controls of the Train page: presets, a form of settings, and the request that a job is made of."""

from collections.abc import Callable
from dataclasses import fields
from typing import NamedTuple

import numpy as np
import streamlit as st

from ui.hosted import shared_server
from ui.own import Pictures, mine
from ui.runs import ACTIVE, PAUSED
from ui.words import refused
from vae_core import data
from vae_core.array_file import is_array_file
from vae_core.checkpoint import KINDS, safe_name
from vae_core.errors import BadInput
from vae_core.train import SCHEDULES, TrainConfig
from vae_core.train_cli import command_line
from vae_core.vae import ARCHITECTURES, LIKELIHOODS, REDUCTIONS

PLAIN = {
    "data": "mnist", "kind": "vae",
    "architecture": "residual", "latent_dim": 2, "beta": 1.0, "hidden": None, "depth": None, "epochs": 10,
    "batch_size": None, "lr": None, "seed": 0, "schedule": "one-cycle", "kl_warmup": 0.0, "binarize": False, "reduction": "sum",
    "corruption": None, "likelihood": "bernoulli", "flip": False, "shift": 0,
}  # fmt: skip
FOR_A_CLASS = "First map in ten seconds"
PRESETS = {  # name -> what it is for, and what differs from PLAIN
    "Watch a map form": ("Two latent dimensions, one to three minutes on two cores: the plane itself is the map.", {}),
    FOR_A_CLASS: (
        "For a class that shares a server: a small network and two passes. The digits part, if less finely.",
        {"hidden": 128, "epochs": 2, "batch_size": 256, "lr": 2e-2},
    ),
    "Textbook": ("The network of the tutorials: 784-400-20, Adam at 0.001, ten epochs.",
                 {"architecture": "mlp", "latent_dim": 20, "batch_size": 128, "lr": 1e-3, "schedule": "constant"}),
    "Sharp": ("Twenty dimensions and the residual network: much lower loss in the same time.",
              {"latent_dim": 20, "epochs": 18}),
    "Best 2-D": ("The recipe of the shipped mnist-2d: about ten minutes on two cores.",
                 {"depth": 2, "lr": 2e-3, "epochs": 50}),
    "Colour": ("Drawn shapes whose six factors are known, a convolutional network, and a beta that keeps the factors apart.",
               {"data": "shapes", "architecture": "conv", "latent_dim": 6, "beta": 4.0}),
    "Own pictures": ("The pictures that you brought (MNIST, if you did not), convolutions, and 32 dimensions.",
                     {"architecture": "conv", "latent_dim": 32}),
    "Watch it collapse": ("The famous mistake: the reconstruction averaged over pixels, the KL summed. See the KL die.",
                          {"architecture": "mlp", "epochs": 3, "reduction": "mean"}),
    "Autoencoder": ("The course's network without a prior, 784-30-784 with tanh: thirty numbers, and holes between them.",
                    {"kind": "ae", "hidden": 30, "lr": 1e-3, "schedule": "constant"}),
    "Denoise": ("The course's 784-500-784, shown images that lost half their pixels and asked for the whole ones.",
                {"kind": "dae", "hidden": 500, "corruption": "dropout:0.5", "lr": 1e-3, "schedule": "constant"}),
    "Restore": ("A small U-Net that is told where the damage is: about two minutes an epoch on two cores, and worth it.",
                {"kind": "restorer", "epochs": 3}),
}  # fmt: skip
KIND_LABELS = {
    "vae": "Variational autoencoder",
    "ae": "Autoencoder",
    "dae": "Denoising autoencoder",
    "restorer": "Restorer that is told the mask",
}
OWN = "Own pictures"
SEEN, BATCH = 150_000, 64  # images of a training on own pictures: in all, and a step
DAMAGES = ("dropout:0.5", "dropout:0.25", "salt-pepper:0.1", "gaussian:0.3", "block:10", "stroke", "half", "mixed")
TRAINING_FIELDS = ("epochs", "batch_size", "lr", "schedule", "kl_warmup", "seed", "flip", "shift")
LIKELIHOOD_LABELS = {"bernoulli": "Bernoulli (grey BCE)", "gaussian": "Gaussian, its variance learned"}
REDUCTION_LABELS = {"sum": "Sum over pixels (right)", "mean": "Mean over pixels (the famous mistake)"}


def _key(field: str) -> str:
    return f"train_{field}"


def preset_at_first() -> str:
    """What the form of somebody who has chosen nothing starts from: on a server that others share, what needs little of it."""
    return FOR_A_CLASS if shared_server() else next(iter(PRESETS))


def fill_in() -> None:
    """Fill the form of somebody who has chosen nothing yet."""
    if "train_preset" not in st.session_state:
        st.session_state["train_preset"] = preset_at_first()
        apply_preset()


def apply_preset() -> None:
    """Put the values of the chosen preset into the form."""
    preset = st.session_state.get("train_preset")
    _, changes = PRESETS.get(preset, ("", {}))
    for field, value in (PLAIN | changes).items():
        st.session_state[_key(field)] = value
    if preset == OWN and (sets := mine()):
        choose_pictures(sets[-1])


def choose_pictures(pictures: Pictures) -> None:
    """Fill the form with what suits a visitor's own pictures."""
    st.session_state["train_preset"] = OWN
    images = len(pictures.images.train_images)
    suits = {"data": pictures.id, "epochs": epochs_for(images), "batch_size": BATCH if images >= BATCH else None}
    for field, value in (PLAIN | PRESETS[OWN][1] | suits).items():
        st.session_state[_key(field)] = value


def data_titles() -> dict[str, str]:
    """Every data set that this visitor may train on: name, or id of their own pictures -> title."""
    return data.TITLES | {pictures.id: pictures.title for pictures in mine()}


def own_pictures(name: str) -> Pictures | None:
    """The visitor's own pictures with this id; None for a data set that has a name."""
    return next((pictures for pictures in mine() if pictures.id == name), None)


def epochs_for(images: int) -> int:
    """Passes over so many training images that a convolutional model learns them in a few minutes on two cores."""
    return int(np.clip(round(SEEN / images, -1), 10, 300))


def kind_at_first() -> str:
    """The kind of model of the chosen preset."""
    return (PLAIN | PRESETS[st.session_state.get("train_preset") or preset_at_first()][1])["kind"]


def kind_chosen() -> None:
    """Another kind of model starts from the plain settings: those of the last one would mean something else."""
    for field in set(PLAIN) - {"kind", "data", "seed"}:
        st.session_state[_key(field)] = PLAIN[field]


class Press(NamedTuple):
    """What was pressed: the request of the training that is to start, whether for one epoch only, and on which own pictures."""

    request: dict
    step: bool
    pictures: Pictures | None


def settings_form(status: str | None, start: Callable[[Press], None], resume: Callable[[], None]) -> None:
    """Draw presets and form for a tab whose run has this status (None: no run of its own).

    Train and Step start a training with the form's values if they fit; with a paused run, Step is for that run. `start` and
    `resume` are called before the rest is drawn: they draw the page anew, or say why not.
    """
    busy = status in (*ACTIVE, PAUSED)
    for field, value in PLAIN.items():
        st.session_state.setdefault(_key(field), value)
    keep = {"persist_state": "session"}
    titles = data_titles()
    if st.session_state[_key("data")] not in titles:
        st.info("The pictures that were chosen are no longer here: bring them again on Your pictures.")
        st.session_state[_key("data")] = PLAIN["data"]
    preset = st.selectbox("Start from", list(PRESETS), key="train_preset", on_change=apply_preset, **keep)
    st.caption(PRESETS[preset][0])
    kind = st.selectbox(
        "Model", list(KIND_LABELS), format_func=KIND_LABELS.get, key=_key("kind"), on_change=kind_chosen, **keep,
        help="Only the variational one has a prior to draw new pictures from.",
    )  # fmt: skip
    has = {field.name for field in fields(KINDS[kind])}
    answer = st.container()
    with st.form("train_form", border=True):
        left, right = st.columns([1.7, 1])
        train = left.form_submit_button(
            "Train", key="train_start", type="primary", width="stretch", disabled=busy, icon=":material/play_arrow:"
        )
        step = right.form_submit_button(
            "Step", key="train_step", width="stretch", disabled=status in ACTIVE, help="One epoch, then pause."
        )
        if step and status == PAUSED:
            resume()
        elif (train or step) and not busy:
            with answer:
                _press(start, step)
        st.selectbox(
            "Data set", list(titles), format_func=titles.get, key=_key("data"), **keep,
            help="MNIST, Digits and Shapes are here, and what you brought to Your pictures; the others are fetched once where "
            "the network allows.",
        )  # fmt: skip
        if "architecture" in has:
            st.selectbox(
                "Architecture", list(ARCHITECTURES), format_func=lambda name: ARCHITECTURES[name].title, **keep,
                key=_key("architecture"), help="How the encoder and the decoder are built.",
            )  # fmt: skip
        if "corruption" in has:
            st.selectbox(
                "Damage to undo", DAMAGES, key=_key("corruption"), accept_new_options=True, **keep,
                placeholder="the model's own",
                help="Every training image is damaged anew whenever it is used. Others can be typed, as in dropout:0.9.",
            )  # fmt: skip
        left, right = st.columns(2)
        if "latent_dim" in has:
            left.number_input(
                "Latent size", 1, 256, key=_key("latent_dim"), **keep,
                help="Numbers that the encoder may keep of an image. With 2, the map is the space itself.",
            )  # fmt: skip
        if "beta" in has:
            right.number_input(
                "Beta", 0.0, 1000.0, step=0.5, key=_key("beta"), **keep,
                help="Weight of the KL term. 1 is the ELBO; more orders the space and blurs the pictures.",
            )  # fmt: skip
        left.number_input("Epochs", 1, 1000, key=_key("epochs"), **keep, help="Passes over the training images.")
        right.number_input("Seed", 0, 2**31 - 1, key=_key("seed"), **keep, help="Same seed, same machine: same losses.")
        with st.expander("More settings"):
            left, right = st.columns(2)
            own = "the network's own"
            left.number_input(
                "Width", 1, 4096, key=_key("hidden"), placeholder=own, **keep,
                help="Units of a hidden layer; of an autoencoder without a prior, the size of its code.",
            )  # fmt: skip
            if "depth" in has:
                right.number_input(
                    "Depth",
                    1,
                    12,
                    key=_key("depth"),
                    placeholder=own,
                    **keep,
                    help="Hidden layers, or residual blocks, each way.",
                )
            left.number_input(
                "Batch size", 1, 16_384, key=_key("batch_size"), placeholder=own, **keep, help="Images a step of the optimiser."
            )
            right.number_input(
                "Learning rate",
                1e-6,
                1.0,
                step=1e-3,
                format="%.4g",
                key=_key("lr"),
                placeholder=own,
                **keep,
                help="The highest rate of the schedule.",
            )
            left.selectbox(
                "Schedule",
                SCHEDULES,
                key=_key("schedule"),
                **keep,
                help="One cycle warms up, then cools down; constant is what tutorials use.",
            )
            left.number_input(
                "Shift (pixels)",
                0,
                8,
                key=_key("shift"),
                **keep,
                help="Each image is moved by up to so many pixels, anew each time.",
            )
            right.toggle(
                "Flip", key=_key("flip"), **keep, help="Half of the images are mirrored left to right, anew each time."
            )
            if kind == "vae":
                right.number_input(
                    "KL warm-up (epochs)", 0.0, 1000.0, step=1.0, key=_key("kl_warmup"), **keep,
                    help="Epochs over which beta grows from 0.",
                )  # fmt: skip
                st.selectbox(
                    "Reconstruction term", REDUCTIONS, format_func=REDUCTION_LABELS.get, key=_key("reduction"), **keep,
                    help="Averaging over pixels makes the KL outweigh it several hundred times.",
                )  # fmt: skip
                st.selectbox(
                    "Likelihood", LIKELIHOODS, format_func=LIKELIHOOD_LABELS.get, key=_key("likelihood"), **keep,
                    help="Gaussian gives a density in nats and bits per dimension; grey cross-entropy is none.",
                )  # fmt: skip
                st.toggle(
                    "Black and white pixels", key=_key("binarize"), **keep,
                    help="Draw each pixel as 0 or 1: then the loss is a true likelihood, in true nats.",
                )  # fmt: skip


def _press(start: Callable[[Press], None], step: bool) -> None:
    """What was pressed, from the values that came with it: those of what is not drawn yet are there."""
    try:
        pictures = own_pictures(st.session_state[_key("data")])
        start(Press(request_of({field: st.session_state[_key(field)] for field in PLAIN}, pictures), step, pictures))
    except BadInput as error:
        refused("Nothing is trained.", error)


def request_of(values: dict, pictures: Pictures | None = None) -> dict:
    """What a job is made of: `values` as in PLAIN, and the visitor's own pictures where they are the data.

    Raises BadInput where the values fit no model.
    """
    kind = KINDS[values["kind"]]
    own = {field.name for field in fields(kind)}
    model = {name: value for name, value in values.items() if name in own and value is not None}
    training = {field: values[field] for field in TRAINING_FIELDS}
    shape, name, read = {}, values["data"], {}
    if pictures is not None:
        shape, name = {"image_shape": pictures.images.image_shape}, data.own_name(pictures.images.name)
        read = _read_as(pictures)
    config = kind(**model, **shape)
    TrainConfig(**training)
    size = f"{config.architecture} {config.latent_dim}-D" if kind.kind == "vae" else f"{kind.kind} {config.hidden}"
    title = f"{name} {size}"
    if kind.kind == "vae" and config.beta != 1:
        title += f" beta {config.beta:g}"
    asked = {"data": name, "kind": kind.kind} | read | model | training
    return {
        "data": name, "kind": kind.kind, "model": model, "training": training, "title": title,
        "command": command_of(asked, title),
    }  # fmt: skip


def _read_as(pictures: Pictures) -> dict:
    """The options of the command line that read the same pictures."""
    settings = pictures.settings
    if is_array_file(pictures.name):
        return {
            "data": f"file:{pictures.name}", "split_seed": settings.seed, "pixels": settings.pixels, "layout": settings.layout,
        }  # fmt: skip
    return {
        "data": f"folder:{pictures.name}", "image_size": settings.size, "fit": settings.fit, "split_seed": settings.seed,
        "split": "own" if settings.split == "own" else None, "class_level": settings.level,
    }  # fmt: skip


def command_of(asked: dict, title: str) -> str:
    """The shell command that runs the same training."""
    words = []
    for field, value in asked.items():
        flag = "--" + field.replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return command_line([*words, "--out", f"runs/{safe_name(title)}"])
