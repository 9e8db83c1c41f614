"""What a training tells on its way. All numbers that have a name are the family's terms, by their names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One batch. `loss` is what was minimised (beta, warm-up and reduction applied), `terms` all of the family's terms, per
    image, averaged over the batch."""

    epoch: int  # from 1
    batch: int  # from 1
    batches: int  # in an epoch
    loss: float
    terms: dict[str, float]
    images: int  # seen so far in this run
    seconds: float  # of training so far


@dataclass(frozen=True)
class Epoch:
    """One pass over the training images. `train` holds means over the pass, `test` over the whole test set, of all of the
    family's terms per image; of a VAE in nats, beta left out: loss = recon + kl = -ELBO. `seconds` counts training alone,
    evaluation excluded."""

    epoch: int
    train: dict[str, float]
    test: dict[str, float]
    seconds: float
    images_per_second: float

    def flat(self) -> dict[str, float | int]:
        """As recipes and commands have it: train_loss, test_loss and so on, beside the rest."""
        terms = {f"{part}_{name}": value for part in ("train", "test") for name, value in getattr(self, part).items()}
        return {"epoch": self.epoch, **terms, "seconds": self.seconds, "images_per_second": self.images_per_second}

    @classmethod
    def from_flat(cls, record: dict) -> "Epoch":
        """What `flat` wrote. Raises KeyError where it is something else."""
        parts = {
            part: {name.removeprefix(part): value for name, value in record.items() if name.startswith(part)}
            for part in ("train_", "test_")
        }
        return cls(record["epoch"], parts["train_"], parts["test_"], record["seconds"], record["images_per_second"])


@dataclass(frozen=True)
class Tested:
    """A part of the test images was judged, after the last batch of an epoch; its Epoch follows the last part."""

    epoch: int
    judged: int  # images so far
    images: int  # of the test set


class Diverged(ArithmeticError):
    """The loss stopped being a finite number; the message says when and what to try."""
