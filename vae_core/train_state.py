"""A run that can be begun, saved between any two records, and gone on with."""

import json
import math
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vae_core import checkpoint
from vae_core.data import ImageSet
from vae_core.devices import choose_device, choose_precision, has_device
from vae_core.errors import BadInput, shortly
from vae_core.family import Family
from vae_core.models import FAMILIES, Config, Model, family_of
from vae_core.records import Epoch
from vae_core.settings import settings_of
from vae_core.train_config import TrainConfig


@dataclass
class TrainState:
    """Everything a run needs to go on: save() between two records, resume() later, same losses."""

    model: Model
    config: TrainConfig  # with batch_size, lr, beta2, peak, device and precision settled
    data_digest: str
    optimizers: dict[str, torch.optim.Optimizer]  # by the part of the model that each trains
    noise: torch.Generator  # every random draw of the training except the order of the images, which epoch and seed give
    steps: int = 0  # batches done; with config this fixes the schedule's position
    batches: int = 0  # in an epoch
    sums: Tensor = field(init=False)  # (T,): the measured terms, summed over this epoch's images
    tested: Tensor = field(init=False)  # (T, N): those of the test images judged in this epoch
    seconds: float = 0.0
    epochs: list[Epoch] = field(default_factory=list)
    data_name: str = ""

    def __post_init__(self):
        self.begin_epoch()

    @property
    def family(self) -> Family:
        """That of the model."""
        return family_of(self.model)

    def begin_epoch(self) -> None:
        """Nothing was summed or judged in this epoch yet."""
        self.sums, self.tested = torch.zeros(len(self.family.measured)), torch.zeros(len(self.family.measured), 0)

    @property
    def finished(self) -> bool:
        return len(self.epochs) >= self.config.epochs

    def to_bytes(self) -> bytes:
        """The whole state as one safetensors file: weights, Adam moments, random state; the rest as JSON metadata."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for part, optimizer in self.optimizers.items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{part}.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
        tensors |= {"noise": self.noise.get_state(), "sums": self.sums}
        if self.tested.numel():
            tensors["tested"] = self.tested
        content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        return safetensors.torch.save(content, metadata={"state": json.dumps(self.about())})

    def about(self) -> dict:
        """What is not a tensor: settings, position in the schedule, the records so far."""
        return {
            "kind": self.model.config.kind, "model": asdict(self.model.config), "training": asdict(self.config),
            "data": self.data_digest, "data_name": self.data_name, "steps": self.steps, "seconds": self.seconds,
            "epochs": [epoch.flat() for epoch in self.epochs],
        }

    def save(self, folder: Path) -> None:
        """Write state.safetensors, and state.json for people, into `folder`, atomically."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            checkpoint.write_aside(folder / "state.safetensors", self.to_bytes())
            os.replace(folder / "state.safetensors.new", folder / "state.safetensors")
            (folder / "state.json").write_text(json.dumps(self.about(), indent=1) + "\n")  # never read back
        except OSError as error:
            raise BadInput(
                f"The run could not be saved ({error.strerror}); free some space or choose another folder."
            ) from error


def start(model_config: Config, data: ImageSet, config: TrainConfig, weights: dict[str, Tensor] | None = None) -> TrainState:
    """A fresh run on the chosen device, with seeded weights or a copy of `weights`, the state_dict of such a model.

    Raises BadInput where data and settings do not fit together.
    """
    defaults = model_config.defaults
    if len(data.train_images) < 2 or len(data.test_images) < 1:
        raise BadInput(
            f"The data set {data.name} has {len(data.train_images)} training images; at least 2 are needed, and 1 to test."
        )
    config = replace(
        config,
        batch_size=min(defaults.batch_size, len(data.train_images)) if config.batch_size is None else config.batch_size,
        lr=defaults.lr if config.lr is None else config.lr,
        beta2=defaults.beta2 if config.beta2 is None else config.beta2,
        peak=defaults.peak if config.peak is None else config.peak,
        device=choose_device(config.device),
    )
    config = replace(config, precision=choose_precision(config.precision, config.device))
    if config.batch_size > len(data.train_images):
        raise BadInput(
            f"The batch size {config.batch_size:,} is larger than the data set ({len(data.train_images):,} images); "
            "choose a smaller one."
        )
    if config.batch_size < defaults.fewest:
        raise BadInput(
            f"A model of the kind {model_config.kind} is trained on at least {defaults.fewest} images at once, for its batch "
            f"normalisation learns nothing of fewer; choose a batch size larger than {config.batch_size}."
        )
    for each in settings_of(TrainConfig).values():
        if each.needs and getattr(config, each.field) != each.default and not FAMILIES[model_config.kind].has(each.needs):
            raise BadInput(f"A model of the kind {model_config.kind} has no {each.needs}; leave the {each.name} out.")
    if model_config.image_shape != data.image_shape:
        raise BadInput(
            f"The model expects images of {model_config.image_shape}, but those of {data.name} are {data.image_shape}."
        )
    with torch.random.fork_rng(devices=[]):  # modules draw their first weights from the global state: leave it as it was
        torch.manual_seed(config.seed)
        model = model_config.build()
    if weights is not None:
        model.load_state_dict(weights)
    elif config.mean_start and hasattr(model, "begin_at"):
        model.begin_at(data.train_images.sum(0, dtype=torch.int64) / (255 * len(data.train_images)))
    model.to(config.device)
    noise = torch.Generator().manual_seed(config.seed)  # on the CPU: the same draws on every device
    batches = math.ceil(len(data.train_images) / config.batch_size)
    return TrainState(model, config, data.digest, _optimizers(model, config), noise, batches=batches, data_name=data.name)


def resume(folder: Path, data: ImageSet, called: str | None = None) -> TrainState:
    """The run that `TrainState.save` left in `folder`, at the batch where it stood. Raises BadInput where it cannot be, which
    names the folder, or what it is `called`."""
    try:
        raw = (folder / "state.safetensors").read_bytes()
    except OSError as error:
        raise BadInput(
            f"There is no run to resume in {called or folder.name} (state.safetensors is missing); leave out --resume."
        ) from error
    return from_bytes(raw, data)


def extend(state: TrainState, epochs: int) -> None:
    """Let a run go on to more epochs than it was begun with. Raises BadInput where they are not more.

    A constant learning rate stays what it was: the run is the one that was begun with so many epochs. One cycle is stretched:
    the rate is, from here on, that of a cycle over all of them, so the run is none that was begun with them.
    """
    if epochs <= state.config.epochs:
        raise BadInput(f"The run has {state.config.epochs} epochs; it can be given more, not {epochs}.")
    state.config = replace(state.config, epochs=epochs)


def from_bytes(raw: bytes, data: ImageSet) -> TrainState:
    """The state that `TrainState.to_bytes` wrote, on this machine's device. Raises BadInput where it is damaged."""
    try:
        about = json.loads(checkpoint.read_header(raw, "The saved run")["__metadata__"]["state"])
        if about["data"] != data.digest:
            known = about.get("data_name", "")
            raise BadInput(
                f"The saved run was trained on other images{f' ({shortly(known)})' * bool(known)} than {data.name} holds now; "
                "give the data that it was begun with, or start a new one."
            )
        tensors = safetensors.torch.load(raw)
        training = TrainConfig(**about["training"])
        if not has_device(training.device):
            training = replace(training, device="auto")
        state = start(FAMILIES[about["kind"]].config(**about["model"]), data, training)
        state.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        for part, optimizer in state.optimizers.items():
            _restore(optimizer, {k: v for k, v in tensors.items() if k.startswith(f"optimizer.{part}.")})
        state.noise.set_state(tensors["noise"])
        state.sums, state.steps, state.seconds = tensors["sums"], about["steps"], about["seconds"]
        state.epochs = [Epoch.from_flat(epoch) for epoch in about["epochs"]]
        state.tested, terms = tensors.get("tested", state.tested), len(state.family.measured)
        if state.sums.shape != (terms,) or state.tested.ndim != 2 or len(state.tested) != terms:
            raise ValueError("terms")
        if state.tested.shape[1] >= len(data.test_images):
            raise ValueError("tested")
    except BadInput:
        raise
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInput("The saved run is damaged and cannot be resumed; start it again.") from error
    return state


def _optimizers(model: Model, config: TrainConfig) -> dict[str, torch.optim.Optimizer]:
    """Adam (Kingma & Ba 2015) in one fused kernel a step, for all of the model or for each part that has its turn."""
    parts = {part: getattr(model, part) for part in family_of(model).parts} or {"model": model}
    betas = model.config.defaults.beta1, config.beta2
    return {part: torch.optim.Adam(module.parameters(), config.lr, betas, fused=True) for part, module in parts.items()}


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put an optimiser's moments to what was saved of it, optimizer.PART.INDEX.NAME."""
    moments: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        *_, index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
