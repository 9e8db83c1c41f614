"""A model that is trained, or was stopped, as a checkpoint with what is said of it."""

import copy
from collections.abc import Callable
from dataclasses import asdict

import torch

from vae_core import checkpoint, disentanglement, evaluate
from vae_core.data import ImageSet
from vae_core.train_state import TrainState


def finish(
    state: TrainState,
    data: ImageSet,
    title: str,
    command: str,
    quick: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[bytes, checkpoint.Recipe]:
    """The model as it stands, as a checkpoint: float16 where that moves the test loss by less than 0.05 nats.

    With `quick`, or once `stopped()` says so (it is asked all along), nothing more is evaluated: float16, and the test losses
    are among the metrics only where the last epoch judged these very weights.
    """
    half = all(tensor.abs().max() < 65_504 for tensor in checkpoint.numbers(state.model).values())
    measured = None if quick else _measured(state, data, stopped)
    if measured is not None:
        metrics, shift = measured
        half = half and abs(shift) < 0.05  # False for NaN
    else:
        metrics = _known(state)
    epochs, metrics = [epoch.flat() for epoch in state.epochs], {"seconds": state.seconds} | metrics
    recipe = checkpoint.make_recipe(state.model, title, data, asdict(state.config), command, epochs, metrics)
    return checkpoint.to_bytes(state.model, recipe, half), recipe


def _known(state: TrainState) -> dict[str, float]:
    """The test losses of the last epoch, if no batch has changed the weights since."""
    if not state.epochs or state.steps > len(state.epochs) * state.batches:
        return {}
    return {f"test_{name}": value for name, value in state.epochs[-1].test.items()}


def _measured(state: TrainState, data: ImageSet, stopped: Callable[[], bool]) -> tuple[dict[str, float], float] | None:
    """All that is said of a finished model, and by how much float16 moves its test loss; None where it was stopped."""
    model, images, seed = state.model, data.test_images, state.config.seed
    halved = copy.deepcopy(model)
    halved.load_state_dict(
        {name: tensor.half().float() for name, tensor in checkpoint.numbers(model).items()}, strict=False
    )
    known, told = _known(state), []
    for judged in (halved,) if known else (model, halved):
        parts = []
        for part in evaluate.parts(judged, images, seed):
            if stopped():
                return None
            parts.append(part)
        means = [torch.cat([part[name] for part in parts]).mean().item() for name in state.family.measured]
        told.append({f"test_{name}": value for name, value in state.family.told(means).items()})
    first = f"test_{state.family.terms[0].name}"
    metrics = dict(known or told[0])
    shift = told[-1][first] - metrics[first]
    if not state.family.has_posterior:
        return metrics, shift
    codes = []
    for some in images.split(evaluate.at_once(model)):
        if stopped():
            return None
        codes.append(evaluate.encode(model, some)[0])
    mu = torch.cat(codes)
    metrics["active_units"] = evaluate.active_units(mu)
    if data.test_factors is not None and mu.isfinite().all():
        shares = disentanglement.shared_information(mu.numpy(), data.test_factors.numpy())
        metrics["mutual_information_gap"] = disentanglement.mutual_information_gap(shares)
    if model.log_sigma is not None:
        metrics["bits_per_dimension"] = evaluate.bits_per_dimension(metrics["test_loss"], model.config.pixels)
        metrics["sigma"] = model.log_sigma.exp().item()
    return metrics, shift
