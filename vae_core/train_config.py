"""How to train, whatever the model."""

from dataclasses import dataclass

from vae_core.devices import DEVICES, check_device
from vae_core.settings import check, setting

AS_TAUGHT = {"lr": 1e-3, "schedule": "constant", "beta2": 0.999, "mean_start": False}  # the loop of the tutorials
SEEN, FEWEST, MOST = 150_000, 10, 300  # images of a training on own pictures in all, and its epochs


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Raises BadInput on values out of range; None means the architecture's own default."""

    epochs: int = setting(
        10, "number of epochs", "Epochs", "Passes over the training images.", low=1, high=1000, place="first"
    )
    batch_size: int | None = setting(
        None, "batch size", "Batch size", "Images a step of the optimiser, over all devices together.", low=1, high=16_384,
        unit="images",
    )
    lr: float | None = setting(
        None, "learning rate", "Learning rate", "The highest rate of the schedule.", low=1e-8, high=1, step=1e-3
    )
    schedule: str = setting(
        "one-cycle", "schedule", "Schedule", "One cycle warms up, then cools down; constant is what tutorials use.",
        choices={"one-cycle": "one-cycle", "constant": "constant"},
    )
    peak: float | None = setting(
        None, "peak", "Peak", "Share of one cycle that is over at its highest rate.", low=0, high=1, step=0.05
    )
    beta2: float | None = setting(
        None, "Adam's beta2", "Adam's beta2",
        "How long Adam remembers how large gradients were: 0.999 for about a thousand batches, 0.95 for twenty.",
        low=0, high=0.99999, step=0.01,
    )
    mean_start: bool = setting(
        True, "start at the mean", "Start at the mean", "The first picture that a decoder paints is the mean training image."
    )
    flip: bool = setting(False, "flip", "Flip", "Half of the images are mirrored left to right, anew each time.")
    shift: int = setting(
        0, "shift", "Shift (pixels)", "Each image is moved by up to so many pixels, anew each time.", low=0, high=8,
        unit="pixels",
    )
    kl_warmup: float = setting(
        0.0, "KL warm-up", "KL warm-up (epochs)", "Epochs over which beta grows from 0.", low=0, high=1000, step=1.0,
        unit="epochs", needs="beta",
    )
    seed: int = setting(
        0, "seed", "Seed", "Same seed, same machine: same losses.", low=0, high=2**31 - 1, place="first"
    )
    device: str = setting(
        "auto", "device", "Device", "Where it computes.", choices=DEVICES, parse=check_device, place="command"
    )
    precision: str = setting(
        "auto", "precision", "Precision", "bf16 where the hardware multiplies in it.",
        choices={"auto": "auto", "fp32": "float32", "bf16": "bfloat16"}, place="command",
    )

    def __post_init__(self):
        check(self)


def epochs_for(images: int) -> int:
    """Passes over so many training images of one's own that a convolutional model learns them in a few minutes on two cores:
    SEEN images in all, in tens of epochs from FEWEST to MOST."""
    return min(max(int(round(SEEN / images, -1)), FEWEST), MOST)
