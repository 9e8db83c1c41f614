"""`make defaults`: what each family's usual way to train is worth, beside a plain one cycle with the same number of passes.

Plain: the rate is highest after 30 % of the cycle, Adam's beta2 is 0.999, the decoder begins anywhere, at the rate of tutorials
and the course. Five seeds each, on the first of MNIST's images; prints mean test losses and their spread.
"""

import argparse
import statistics
from dataclasses import replace

from vae_core import data, train
from vae_core.models import FAMILIES

PLAIN = {"peak": 0.3, "beta2": 0.999, "mean_start": False}
TAUGHT = {"lr": 1e-3, "batch_size": 128}
TRIALS = [  # kind, model, images, epochs, what else is plain
    ("vae", {"architecture": "mlp"}, 60_000, 4, TAUGHT),
    ("vae", {"architecture": "residual"}, 20_000, 4, {}),
    ("vae", {"architecture": "residual", "latent_dim": 2}, 20_000, 4, {}),
    ("vae", {"architecture": "conv"}, 20_000, 3, {}),
    ("vae", {"architecture": "conv-course"}, 6_000, 3, {}),
    ("ae", {"hidden": 30}, 60_000, 4, {"lr": 1e-3}),
    ("dae", {"hidden": 500}, 20_000, 4, {"lr": 1e-3}),
    ("linear", {"hidden": 2}, 20_000, 4, {"mean_start": True}),
    ("restorer", {}, 6_000, 2, {}),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    for kind, model, images, epochs, plain in TRIALS:
        ours, theirs = ([loss(kind, model, images, epochs, seed, **how) for seed in seeds] for how in ({}, PLAIN | plain))
        what = " ".join([kind, *map(str, model.values())])
        print(f"{what}, {epochs} passes over {images:,} images: {said(ours)} nats, plainly {said(theirs)}", flush=True)


def loss(kind: str, model: dict, images: int, epochs: int, seed: int, **training) -> float:
    """The test loss of one training, nats per image."""
    mnist = data.load("mnist")
    part = replace(mnist, train_images=mnist.train_images[:images], train_labels=mnist.train_labels[:images])
    config = train.TrainConfig(epochs=epochs, seed=seed, device="cpu", **training)
    state = train.start(FAMILIES[kind].config(**model), part, config)
    return [record for record in train.fit(state, part) if isinstance(record, train.Epoch)][-1].test["loss"]


def said(losses: list[float]) -> str:
    """Mean and spread."""
    return f"{statistics.mean(losses):.1f} ({min(losses):.1f} to {max(losses):.1f})"


if __name__ == "__main__":
    main()
