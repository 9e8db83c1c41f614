"""The controls of the Train page: the choice of a preset, and a form of settings."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from latentscape.ui.own import mine
from latentscape.ui.presets import OWN, PLAIN, PRESETS, choose_pictures, preset_at_first
from latentscape.ui.request import data_titles, own_pictures, request_of
from latentscape.ui.words import refused
from latentscape.work.belongings import Pictures
from latentscape.work.runs import ACTIVE, PAUSED
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.models.vae import ARCHITECTURES, LIKELIHOODS, REDUCTIONS
from vae_core.train import SCHEDULES

DAMAGES = ("dropout:0.5", "dropout:0.25", "salt-pepper:0.1", "gaussian:0.3", "block:10", "stroke", "half", "mixed")
LIKELIHOOD_LABELS = {"bernoulli": "Bernoulli (grey BCE)", "gaussian": "Gaussian, its variance learned"}
REDUCTION_LABELS = {"sum": "Sum over pixels (right)", "mean": "Mean over pixels (the famous mistake)"}


def _key(field: str) -> str:
    return f"train_{field}"


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
        "Model", list(FAMILIES), format_func=lambda name: FAMILIES[name].title, key=_key("kind"), on_change=kind_chosen, **keep,
        help="Only the variational one has a prior to draw new pictures from.",
    )  # fmt: skip
    has = FAMILIES[kind].has
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
        if has("architecture"):
            st.selectbox(
                "Architecture", list(ARCHITECTURES), format_func=lambda name: ARCHITECTURES[name].title, **keep,
                key=_key("architecture"), help="How the encoder and the decoder are built.",
            )  # fmt: skip
        if has("corruption"):
            st.selectbox(
                "Damage to undo", DAMAGES, key=_key("corruption"), accept_new_options=True, **keep,
                placeholder="the model's own",
                help="Every training image is damaged anew whenever it is used. Others can be typed, as in dropout:0.9.",
            )  # fmt: skip
        left, right = st.columns(2)
        if has("latent_dim"):
            left.number_input(
                "Latent size", 1, 256, key=_key("latent_dim"), **keep,
                help="Numbers that the encoder may keep of an image. With 2, the map is the space itself.",
            )  # fmt: skip
        if has("beta"):
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
            if has("depth"):
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
            if has("beta"):
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


