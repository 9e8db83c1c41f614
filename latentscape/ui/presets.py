"""What a training starts from: the plain settings, presets that differ from them, and what suits a visitor's own pictures."""

import numpy as np
import streamlit as st

from latentscape.server.hosted import shared_server
from latentscape.work.belongings import Pictures

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
OWN = "Own pictures"
SEEN, BATCH = 150_000, 64  # images of a training on own pictures: in all, and a step


def preset_at_first() -> str:
    """What the form of somebody who has chosen nothing starts from: on a server that others share, what needs little of it."""
    return FOR_A_CLASS if shared_server() else next(iter(PRESETS))


def choose_pictures(pictures: Pictures) -> None:
    """Fill the form with what suits a visitor's own pictures."""
    st.session_state["train_preset"] = OWN
    images = len(pictures.images.train_images)
    suits = {"data": pictures.id, "epochs": epochs_for(images), "batch_size": BATCH if images >= BATCH else None}
    for field, value in (PLAIN | PRESETS[OWN][1] | suits).items():
        st.session_state[f"train_{field}"] = value


def epochs_for(images: int) -> int:
    """Passes over so many training images that a convolutional model learns them in a few minutes on two cores."""
    return int(np.clip(round(SEEN / images, -1), 10, 300))
