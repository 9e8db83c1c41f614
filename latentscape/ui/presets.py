"""What a training starts from: the plain settings, the presets of the families, and what suits a visitor's own pictures."""

import streamlit as st

from latentscape.server.hosted import shared_server
from latentscape.work.belongings import Pictures
from vae_core.family import Preset
from vae_core.models import FAMILIES
from vae_core.settings import Setting, settings_of
from vae_core.train import TrainConfig
from vae_core.train_config import epochs_for

TRAINING = {name: each for name, each in settings_of(TrainConfig).items() if each.place != "command"}
FIRST = {"data": "mnist", "kind": "vae", "architecture": "residual", "latent_dim": 2}  # of the first form
PRESETS: dict[str, Preset] = {preset.name: preset for family in FAMILIES.values() for preset in family.presets}
KIND_OF = {preset.name: family.name for family in FAMILIES.values() for preset in family.presets}
FOR_A_CLASS = next(name for name, preset in PRESETS.items() if preset.suits == "a class")
OWN = next(name for name, preset in PRESETS.items() if preset.suits == "own pictures")
BATCH = 64  # images a step of a training on own pictures


def form_settings(kind: str) -> dict[str, Setting]:
    """What a form asks of a training of this kind of model, by field: of the model, then of the training."""
    own = settings_of(FAMILIES[kind].config)
    return own | {name: each for name, each in TRAINING.items() if not each.needs or each.needs in own}


def plain(kind: str) -> dict:
    """The first value of each field of the form for this kind of model: a family's own; None where families differ, which
    stands for their own."""
    defaults: dict[str, set] = {}
    for each_kind in FAMILIES:
        for name, each in form_settings(each_kind).items():
            defaults.setdefault(name, set()).add(each.default)
    found = {name: values.pop() if len(values) == 1 else None for name, values in defaults.items()}
    return found | (FIRST if kind == FIRST["kind"] else {"data": FIRST["data"], "kind": kind})


PLAIN = plain(FIRST["kind"])


def values_of(preset: str) -> dict:
    """All values of the form that starts from this preset; from none, the plain ones."""
    if preset not in PRESETS:
        return dict(PLAIN)
    return plain(KIND_OF[preset]) | PRESETS[preset].changes


def preset_at_first() -> str:
    """What the form of somebody who has chosen nothing starts from: on a server that others share, what needs little of it."""
    return FOR_A_CLASS if shared_server() else next(iter(PRESETS))


def choose_pictures(pictures: Pictures) -> None:
    """Fill the form with what suits a visitor's own pictures."""
    st.session_state["train_preset"] = OWN
    images = len(pictures.images.train_images)
    suits = {"data": pictures.id, "epochs": epochs_for(images), "batch_size": BATCH if images >= BATCH else None}
    for field, value in (values_of(OWN) | suits).items():
        st.session_state[f"train_{field}"] = value
