"""What the Sweep page compares: trainings of this sweep as they stand, and models that are there already."""

from dataclasses import dataclass

import numpy as np
import torch

from latentscape.ui.codes import DOTS, decode, known_codes
from latentscape.work.runs import ACTIVE, Run
from vae_core import checkpoint
from vae_core.checkpoint import Checkpoint
from vae_core.latent import prior_draws
from vae_core.models import FAMILIES

SHOWN = 10  # pictures of a row


@dataclass(frozen=True)
class Entry:
    """One model: its figures in nats per test image (None: not known yet); its map and pictures where there are any."""

    label: str
    data: str
    loss: str  # its name: only losses of one name compare
    beta: float
    status: str
    rate: float | None  # KL
    distortion: float | None  # recon
    active: int | None = None  # dimensions
    gap: float | None = None  # MIG
    points: np.ndarray | None = None  # (N, 2)
    labels: list[int] | None = None
    classes: tuple[str, ...] = ()
    originals: np.ndarray | None = None  # uint8 (SHOWN, C, H, W)
    reconstructions: np.ndarray | None = None
    samples: np.ndarray | None = None


def entry_of_run(run: Run) -> Entry:
    """A training, as far as it has come."""
    beta = run.request["model"].get("beta", 0.0)  # only a VAE has one
    loss = FAMILIES[run.request["kind"]].config(**run.request["model"]).loss_name
    status = run.status if run.status not in ACTIVE else f"{run.status}, {len(run.epochs)} of {run.total_epochs} epochs"
    last = run.epochs[-1] if run.epochs else {}
    metrics = {} if run.status in ACTIVE or not run.weights else checkpoint.embedded_recipe(run.weights, "").metrics
    pictures = {}
    if run.live is not None:
        pictures = {
            "points": run.live.points, "labels": run.about["labels"], "classes": tuple(run.about["classes"]),
            "originals": run.about["originals"][:SHOWN], "reconstructions": run.live.reconstructions[:SHOWN],
            "samples": run.live.samples[:SHOWN],
        }
    return Entry(
        f"β = {beta:g}", run.request["data"], loss, beta, f"{status} {run.reason}".strip(),
        metrics.get("test_kl", last.get("test_kl")), metrics.get("test_recon", last.get("test_recon")),
        metrics.get("active_units"), metrics.get("mutual_information_gap"), **pictures,
    )


def entry_of_model(model: Checkpoint) -> Entry:
    """A model that was trained before; without a map where its data set is not here."""
    recipe, metrics, codes = model.recipe, model.recipe.metrics, known_codes(model)
    pictures = {}
    if codes is not None:
        originals = codes.images[:SHOWN]
        pictures = {
            "points": codes.plane(codes.mu[:DOTS]), "labels": codes.labels[:DOTS].tolist(), "classes": codes.classes,
            "originals": originals.numpy(), "reconstructions": decode(model, torch.from_numpy(codes.mu[:SHOWN])),
            "samples": decode(model, prior_draws(SHOWN, codes.mu.shape[1], seed=1)),
        }
    return Entry(
        f"{model.name}, β = {model.model.config.beta:g}", recipe.data.name, model.model.config.loss_name,
        model.model.config.beta, "Trained before",
        metrics.get("test_kl"), metrics.get("test_recon"), metrics.get("active_units"), metrics.get("mutual_information_gap"),
        **pictures,
    )
