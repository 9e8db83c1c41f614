"""`make bench`: our training beside the usual tutorial loop, in one go, on the machine where it runs.

Per round, interleaved so that a drift of the machine's speed hits both: the tutorial's ten epochs; ours with the same
network until the tutorial's final loss; ours with the same network and batch size for images per second; ours with the
residual network for as long as the tutorial took. Prints medians of ratios over the rounds.
"""

import argparse
import gzip
import json
import platform
import statistics
import sys
import tempfile
from pathlib import Path

import torch

from benchmarks.tutorial import train_tutorial
from vae_core import data, devices, train
from vae_core.models.vae import VAEConfig

TARGET = 105.56  # nats: test loss of the tutorial after its ten epochs, as measured when the project began
SOON = {"epochs": 4}  # our own settings for the network of the tutorial: so few epochs reach TARGET
RESIDUAL_SHARE = 0.97  # of the tutorial's time that the residual network's epochs are planned to fill


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    mnist = data.load("mnist")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(folder))
        for seed in range(arguments.rounds):
            rounds.append(one_round(Path(folder), mnist, seed))
            print(
                f"round {seed + 1}: " + json.dumps({k: round(v, 3) for k, v in rounds[-1].items()}), file=sys.stderr, flush=True
            )
    middle = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    threads = torch.get_num_threads()
    print(
        f"machine: {processor()}, {threads} threads, torch {torch.__version__}, {devices.choose_precision('auto', 'cpu')}; "
        f"medians of {len(rounds)} rounds"
    )
    print(f"tutorial: {middle['tutorial_seconds']:.1f} s for 10 epochs, test loss {middle['tutorial_loss']:.2f} nats")
    print(
        f"same network to {TARGET} nats: {middle['sooner']:.1f} times sooner "
        f"({middle['soon_seconds']:.1f} s, {middle['soon_loss']:.2f} nats)"
    )
    print(f"same network, same batch size: {middle['images_ratio']:.1f} times the images per second")
    print(
        f"residual network within the tutorial's time: {middle['residual_loss']:.2f} nats after "
        f"{middle['residual_seconds']:.1f} s"
    )


def one_round(folder: Path, mnist, seed: int) -> dict[str, float]:
    """All measurements once, with one seed."""
    tutorial = list(train_tutorial(folder, 10, seed))
    tutorial_seconds, tutorial_loss = tutorial[-1]
    soon = ours(mnist, "mlp", seed, **SOON)
    reached = next((e for e in soon if e.test["loss"] <= TARGET), None)
    same = ours(mnist, "mlp", seed, epochs=2, batch_size=128, lr=1e-3)
    tutorial_rate = len(mnist.train_images) * 2 / tutorial[1][0]
    pace = ours(mnist, "residual", seed, epochs=1)[-1].seconds
    residual = ours(mnist, "residual", seed, epochs=max(1, int(RESIDUAL_SHARE * tutorial_seconds / pace)))
    within = [e for e in residual if e.seconds <= tutorial_seconds]
    return {
        "tutorial_seconds": tutorial_seconds,
        "tutorial_loss": tutorial_loss,
        "soon_seconds": (reached or soon[-1]).seconds,
        "soon_loss": (reached or soon[-1]).test["loss"],
        "sooner": next(s for s, loss in tutorial if loss <= TARGET or s == tutorial_seconds) / reached.seconds
        if reached
        else 0.0,
        "images_ratio": len(mnist.train_images) * 2 / same[-1].seconds / tutorial_rate,
        "residual_seconds": within[-1].seconds,
        "residual_loss": min(e.test["loss"] for e in within),
    }


def ours(mnist, architecture: str, seed: int, **settings) -> list[train.Epoch]:
    """Train with `fit` and return its epochs."""
    config = train.TrainConfig(seed=seed, device="cpu", **settings)
    state = train.start(VAEConfig(architecture=architecture, latent_dim=20), mnist, config)
    return [record for record in train.fit(state, mnist) if isinstance(record, train.Epoch)]


def unpack(folder: Path) -> None:
    """The embedded files where torchvision's MNIST looks for them."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in data.MNIST_SHA256:
        (raw / name).write_bytes(gzip.decompress((data.EMBEDDED / "mnist" / f"{name}.gz").read_bytes()))


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
