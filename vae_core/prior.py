"""Priors that are learned: where to draw codes of an encoder from, so that its decoder paints what looks like the data.

Four kinds: N(0, I), as a VAE is trained to be decoded from; the codes' own Gaussian; a mixture of Gaussians (by scikit-learn);
and flow matching: a small network that says where to each particle moves on its way from noise to codes. Sources: a density
fitted to an autoencoder's codes: Ghosh et al. 2020 (arXiv:1903.12436); flow matching on straight paths: Lipman et al. 2023
(arXiv:2210.02747), Liu, Gong & Liu 2023 (arXiv:2209.03003). Time runs from t = 0, noise, to t = 1, codes.
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vae_core import checkpoint, companion, evaluate
from vae_core.checkpoint import Checkpoint
from vae_core.data import to_float
from vae_core.errors import BadInput
from vae_core.latent import prior_draws
from vae_core.limits import MAX_WEIGHTS
from vae_core.models import Model, family_of
from vae_core.settings import check, setting

KIND = "prior"
SHIPPED = checkpoint.SHIPPED / "priors"
BATCH = 512  # codes a step of the training of a flow
RATE = 5e-3  # Adam's, falling to 0 along a cosine
AVERAGED = 1 / 20  # of all steps: over so many weights are averaged
HEUN_STEPS = 40
WAVES = 4  # of the time, that the flow's network is given
AT_ONCE = 2000  # codes that a flow draws at once
KEPT_WIDE = 1e-4  # variance that every component of a mixture of whitened codes has at least, in every direction
FLATTEST = 1e-5  # of the widest spread of codes: directions in which they hardly move are given this much
MIXED = 20_000  # codes that a mixture is fitted to, at most


@dataclass(frozen=True)
class PriorConfig:
    """What kind of prior, and how large. Raises BadInput on values out of range."""

    latent_dim: int = setting(20, "latent dimension", "Latent size", "Numbers of a code.", low=1, high=4096)
    kind: str = setting(
        "flow", "kind of prior", "Prior", "What codes are drawn from.", place="first",
        choices={
            "normal": "N(0, I)", "gaussian": "The codes' own Gaussian", "mixture": "Mixture of Gaussians",
            "flow": "Flow matching",
        },
    )
    components: int = setting(10, "number of components", "Components", "Gaussians of a mixture.", low=1, high=200)
    hidden: int = setting(384, "hidden width", "Width", "Units of a layer of a flow.", low=8, high=1024, unit="units")
    depth: int = setting(2, "depth", "Depth", "Hidden layers of a flow.", low=1, high=6)

    def __post_init__(self):
        check(self)
        if self.kind == "gaussian":
            object.__setattr__(self, "components", 1)
        if self.kind in ("gaussian", "mixture") and self.components * self.latent_dim**2 > MAX_WEIGHTS:
            raise BadInput(
                f"{self.components} Gaussians in {self.latent_dim:,} dimensions have {self.components * self.latent_dim**2:,} "
                f"numbers, and at most {MAX_WEIGHTS:,} are kept; choose fewer components, or a flow."
            )

    def build(self) -> "Standard | Mixture | Flow":
        """The distribution, before it has learned anything; a flow's first weights from torch's global random state."""
        return {"normal": Standard, "gaussian": Mixture, "mixture": Mixture, "flow": Flow}[self.kind](self)


class Standard(nn.Module):
    """N(0, I)."""

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.config = config

    def draw(self, count: int, seed: int) -> Tensor:
        """count seeded codes, (count, L)."""
        return prior_draws(count, self.config.latent_dim, seed)


class Mixture(nn.Module):
    """sum_k weight_k N(mean_k, R_k R_k^T): K Gaussians in L dimensions, or one."""

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.config = config
        count, size = config.components, config.latent_dim
        self.register_buffer("weights", torch.full((count,), 1 / count))
        self.register_buffer("means", torch.zeros(count, size))
        self.register_buffer("roots", torch.eye(size).repeat(count, 1, 1))  # lower triangular

    def draw(self, count: int, seed: int) -> Tensor:
        """count seeded codes, (count, L)."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.config.latent_dim, generator=generator)
        return self.means[which] + (self.roots[which] @ noise[..., None])[..., 0]

    def log_prob(self, codes: Tensor) -> Tensor:
        """The log density of codes (N, L), (N,) nats."""
        each = torch.distributions.MultivariateNormal(self.means, scale_tril=self.roots, validate_args=False)
        return torch.logsumexp(self.weights.log() + each.log_prob(codes[:, None]), 1)


class Flow(nn.Module):
    """The velocity of particles u in L dimensions at time t: N(0, I) at t = 0, and at t = 1 whitened codes, z = mean + R u. A
    flow that does not move anything yet draws from the codes' own Gaussian."""

    def __init__(self, config: PriorConfig):
        super().__init__()
        self.config = config
        size = config.latent_dim
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("root", torch.eye(size))  # R
        inputs = [size + 1 + 2 * WAVES, *[config.hidden] * (config.depth - 1)]
        self.layers = nn.ModuleList(nn.Linear(width, config.hidden) for width in inputs)
        self.last = nn.Linear(config.hidden, size)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, u: Tensor, t: Tensor) -> Tensor:
        """u (N, L), t (N, 1) in [0, 1] -> du/dt, (N, L)."""
        turns = math.pi * t * torch.arange(1, WAVES + 1, device=t.device)
        h = torch.cat([u, t, turns.cos(), turns.sin()], 1)
        for layer in self.layers:
            h = F.silu(layer(h))
        return self.last(h)

    @torch.no_grad()
    def path(self, noise: Tensor, steps: int = HEUN_STEPS) -> Tensor:
        """Where particles are that begin at noise (N, L) ~ N(0, I), as codes: (steps + 1, N, L) at t = 0, 1 / steps, ..., 1."""
        places = torch.stack(list(heun(self, noise, steps)))
        return self.mean + places @ self.root.T

    def draw(self, count: int, seed: int) -> Tensor:
        """count seeded codes, (count, L)."""
        noise = prior_draws(count, self.config.latent_dim, seed)
        return torch.cat([self.path(some)[-1] for some in noise.split(AT_ONCE)])


def between(noise: Tensor, codes: Tensor, t: Tensor) -> Tensor:
    """Where a particle is at time t (N, 1) on its straight way from noise to a code, each (N, L): there at t = 1."""
    return (1 - t) * noise + t * codes


def heun(velocity: Callable[[Tensor, Tensor], Tensor], u: Tensor, steps: int) -> Iterator[Tensor]:
    """Where particles u (N, L) are that follow velocity(u, t) from t = 0 to t = 1, steps + 1 times, both ends included: Heun's
    method, the mean of the slopes at both ends of a step (the trapezoid rule, second order)."""
    yield u
    for step in range(steps):
        here, there = (u.new_full((len(u), 1), (step + side) / steps) for side in (0, 1))
        slope = velocity(u, here)
        u = u + (slope + velocity(u + slope / steps, there)) / (2 * steps)
        yield u


# Learning.


class Learning(NamedTuple):
    """How far it is: steps done of all, the loss of the last one where there is one, and what would be drawn from by now (its
    weights averaged over steps); it goes on changing, copy what you keep."""

    done: int
    steps: int
    loss: float | None
    network: nn.Module


@torch.no_grad()
def sampled_codes(model: Model, images: Tensor, seed: int = 0) -> Tensor:
    """The codes of uint8 images (N, C, H, W) that a prior is learned from, (N, L) on the CPU: a draw from each image's
    posterior, where it has one, as its decoder was trained with; else the code. Raises BadInput where a model has none."""
    family, generator = family_of(model), torch.Generator().manual_seed(seed)
    if not family.encodes:
        raise BadInput(f"A model of the kind {family.name} has no code, and so no prior; take another.")
    if not family.has_posterior:
        device = next(model.parameters()).device
        return torch.cat([model.eval().codes(to_float(some).to(device)).cpu() for some in images.split(evaluate.BATCH)])
    if model.config.binarize:
        images = torch.bernoulli(to_float(images), generator=generator).mul(255).byte()
    mu, logvar = evaluate.encode(model, images)
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape, generator=generator)


def learn(config: PriorConfig, codes: Tensor, steps: int = 2500, seed: int = 0) -> Iterator[Learning]:
    """Fit a prior to codes (N, L), yielding after each step of a flow, and once of the other kinds. `steps` are of a flow.

    Same seed, same machine: same prior. Raises BadInput where the codes are not finite, too few, or of another length.
    """
    codes = _checked(config, codes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = config.build()
    if config.kind == "flow":
        yield from _learn_flow(network, codes, steps, torch.Generator().manual_seed(seed))
        return
    if config.kind != "normal":
        _fit_mixture(network, codes, seed)
    yield Learning(1, 1, None, network.eval().requires_grad_(False))


def _learn_flow(network: Flow, codes: Tensor, steps: int, generator: torch.Generator) -> Iterator[Learning]:
    """Least squares: the mean of code - noise over all pairs that pass a place is the velocity there (Lipman, theorem 2)."""
    mean, root, inverse = whitening(codes)
    network.mean.copy_(mean)
    network.root.copy_(root)
    whitened = ((codes.double() - mean) @ inverse.T).float()
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    for step in range(steps):
        chosen = whitened[torch.randint(len(whitened), (BATCH,), generator=generator)]
        noise = torch.randn(chosen.shape, generator=generator)
        t = torch.rand(BATCH, 1, generator=generator)
        loss = (network(between(noise, chosen, t), t) - (chosen - noise)).square().sum(1).mean()
        if not loss.isfinite():
            raise BadInput("The flow diverged: the codes lie too far apart; take another kind of prior.")
        optimizer.param_groups[0]["lr"] = RATE * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        kept = min(1 - 1 / max(AVERAGED * steps, 1), (1 + step) / (10 + step))  # the first weights are soon forgotten
        with torch.no_grad():
            for average, weight in zip(averaged.parameters(), network.parameters(), strict=True):
                average.lerp_(weight, 1 - kept)
        yield Learning(step + 1, steps, loss.item(), averaged)


def _fit_mixture(network: Mixture, codes: Tensor, seed: int) -> None:
    """Maximum likelihood, by EM from k-means, on whitened codes: what keeps a component from a single point is then of one size
    in all directions."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mean, root, inverse = whitening(codes)
    count = network.config.components
    if count == 1:
        weights, means, covariances = torch.ones(1), mean[None], (root @ root.T)[None]
    else:
        some = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))[:MIXED]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer points than components, which reg_covar sees to
            mixture = GaussianMixture(count, reg_covar=KEPT_WIDE, random_state=seed)
            fitted = mixture.fit(((some.double() - mean) @ inverse.T).numpy())
        weights, means, covariances = (torch.from_numpy(a) for a in (fitted.weights_, fitted.means_, fitted.covariances_))
        means, covariances = mean + means @ root.T, root @ covariances @ root.T
    network.weights.copy_(weights)
    network.means.copy_(means)
    network.roots.copy_(torch.linalg.cholesky(covariances))


def whitening(codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (L,), R and its inverse (L, L), float64, of codes (N, L): R R^T is their covariance, that of (z - mean) R^-T is I.

    Where codes hardly move in a direction, or not at all, they are taken to move a little.
    """
    values, directions = torch.linalg.eigh(torch.atleast_2d(codes.double().T.cov()))
    spread = values.clamp(min=0).sqrt()
    spread = spread.clamp(min=max(FLATTEST * spread.max().item(), 1e-6))
    return codes.double().mean(0), directions * spread, (directions / spread).T


def _checked(config: PriorConfig, codes: Tensor) -> Tensor:
    """Codes (N, L), detached, on the CPU."""
    if codes.ndim != 2 or codes.shape[1] != config.latent_dim:
        raise BadInput(
            f"This prior is of codes of {config.latent_dim} numbers, not of shape {tuple(codes.shape)}; encode again."
        )
    least = max(2, config.components if config.kind == "mixture" else 2)
    if len(codes) < least:
        raise BadInput(f"A prior of this kind is learned from {least} codes at least, not from {len(codes)}; take more images.")
    if not codes.isfinite().all():
        raise BadInput("Some codes are no finite numbers: the model's training has diverged; take another.")
    return codes.detach().cpu()


# Keeping it.


@dataclass(frozen=True)
class Prior:
    """A distribution of the codes of one model. `digest` is the SHA-256 of its weights file, where it came from one."""

    network: Standard | Mixture | Flow
    model: companion.ModelRecipe
    recipe: companion.Recipe | None = None
    digest: str | None = None

    def draw(self, count: int, seed: int = 0) -> Tensor:
        """count seeded codes, (count, L), to decode."""
        with torch.no_grad():
            return self.network.draw(count, seed)

    def check_for(self, opened: Checkpoint) -> None:
        """Raise BadInput where it was learned from the codes of another model."""
        if self.model.digest != opened.digest:
            raise BadInput(
                f"This prior was learned from the codes of {self.model.name}, which is another model than {opened.name}; "
                "learn one for this model."
            )


def belonging(network: nn.Module, opened: Checkpoint) -> Prior:
    """What was learned from the codes of an opened model."""
    return Prior(copy.deepcopy(network), companion.ModelRecipe(name=opened.name[:200], digest=opened.digest))


def to_bytes(
    prior: Prior, opened: Checkpoint, training: dict, metrics: dict | None = None, command: str = ""
) -> tuple[bytes, companion.Recipe]:
    """The weights file of a prior for an opened model, and its recipe, which names the model. Raises BadInput for another."""
    prior.check_for(opened)
    recipe = companion.make_recipe(
        KIND, prior.network.config, opened.recipe.data, training, metrics or {}, command, model=prior.model
    )
    return companion.to_bytes(prior.network, recipe), recipe


def open_bytes(weights: bytes, name: str, opened: Checkpoint) -> Prior:
    """The prior in the bytes of a weights file, for an opened model. Raises BadInput on any fault, and for another model."""
    network, recipe, digest = companion.open_bytes(weights, name, KIND, lambda config: PriorConfig(**config).build())
    if recipe.model is None:
        raise BadInput(f"{name} does not say which model it is a prior for; learn it again.")
    prior = Prior(network, recipe.model, recipe, digest)
    prior.check_for(opened)
    return prior


def open_file(path: Path, opened: Checkpoint, called: str | None = None) -> Prior:
    """The prior at PATH.safetensors (the suffix may be left out), for an opened model. Raises BadInput, which names the file,
    or what it is `called`."""
    return open_bytes(companion.read_file(path, called), called or path.name, opened)


def shipped(opened: Checkpoint) -> Prior | None:
    """The prior of this model that ships; None where there is none. Raises BadInput where its file is damaged."""
    for path in sorted(SHIPPED.glob("*.safetensors")):
        weights = companion.read_file(path)
        if companion.model_in(weights, path.name, KIND) == opened.digest:
            return open_bytes(weights, path.name, opened)
    return None
