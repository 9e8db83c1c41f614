"""Train the checkpoints that ship: `make checkpoints`, or `python -m checkpoints.build NAME ...` for some of them."""

import contextlib
import sys
import tempfile
from pathlib import Path

import torch

from vae_core import checkpoint, companion, data, draws, evaluate, judge, prior
from vae_core.judge import main as train_judge
from vae_core.models import family_of
from vae_core.prior import PriorConfig
from vae_core.train_cli import main as train

FOLDER = Path(__file__).resolve().parent
IMPORTANCE_SAMPLES = 100

EARLIER = "--peak 0.3 --beta2 0.999 --no-mean-start"  # what was the default when these were trained
RECIPES = {  # name -> title and arguments of `python -m vae_core.train`; a second training begins where the first one ended
    "mnist-2d": ("MNIST in 2 dimensions: the best map",
                 "--data mnist --architecture residual --depth 2 --latent-dim 2 --epochs 50 --lr 2e-3"),
    "mnist-20d": ("MNIST in 20 dimensions: sharp reconstructions",
                  "--data mnist --architecture residual --latent-dim 20 --epochs 40 --lr 3e-3"),
    "mnist-20d-binary": ("MNIST as black and white pixels: true nats",
                         "--data mnist --architecture residual --latent-dim 20 --epochs 40 --lr 3e-3 --binarize"),
    "mnist-2d-tutorial": ("MNIST in 2 dimensions: what the textbook gets",
                          "--data mnist --architecture mlp --latent-dim 2 --epochs 10 --batch-size 128 --lr 1e-3 "
                          "--schedule constant"),
    "mnist-2d-tutorial-beta0": ("The textbook's network with beta 0: beside mnist-2d-tutorial, what a prior is good for",
                                "--data mnist --architecture mlp --latent-dim 2 --beta 0 --epochs 10 --batch-size 128 "
                                "--lr 1e-3 --schedule constant --precision fp32"),
    "mnist-ae-30": ("Under-complete autoencoder, 784-30-784 with tanh: the course's",
                    "--data mnist --kind ae --hidden 30 --epochs 20 --batch-size 256 --lr 1e-3 --schedule constant"),
    "mnist-linear-2d": ("Linear autoencoder in 2 dimensions: the plane of PCA",
                        "--data mnist --kind linear --hidden 2 --epochs 20 --batch-size 256 --lr 3e-3 --mean-start"),
    "mnist-ae-500": ("Over-complete autoencoder, 784-500-784 with tanh: the course's",
                     "--data mnist --kind ae --hidden 500 --epochs 20 --batch-size 256 --lr 1e-3 --schedule constant"),
    "mnist-dae-500": ("Denoising autoencoder, 784-500-784 with tanh, half the pixels dropped: the course's",
                      "--data mnist --kind dae --hidden 500 --corruption dropout:0.5 --epochs 20 --batch-size 256 --lr 1e-3 "
                      "--schedule constant"),
    "mnist-restorer": ("A small U-Net that is told where the damage is",
                       "--data mnist --kind restorer --epochs 10 --batch-size 64 --lr 3e-3",
                       "--data mnist --kind restorer --epochs 5 --batch-size 64 --lr 1.5e-3",
                       "--data mnist --kind restorer --epochs 8 --batch-size 64 --lr 2e-3"),
    "mnist-conv-2d": ("MNIST in 2 dimensions by convolutions",
                      "--data mnist --architecture conv --depth 2 --latent-dim 2 --epochs 24 --lr 2e-3"),
    "fashion-2d": ("Fashion-MNIST in 2 dimensions",
                   "--data fashion-mnist --architecture residual --depth 2 --latent-dim 2 --epochs 24 --lr 2e-3"),
    "shapes-2d": ("Coloured shapes in 2 dimensions",
                  "--data shapes --architecture conv --latent-dim 2 --epochs 10 --lr 2e-3"),
    "shapes-conv-beta1": ("Coloured shapes in 6 dimensions, beta 1: beside shapes-conv, what beta is good for",
                          "--data shapes --architecture conv --latent-dim 6 --epochs 16 --lr 2e-3"),
    "shapes-conv": ("Coloured shapes in 6 dimensions, beta 4: the best of three seeds",
                    "--data shapes --architecture conv --latent-dim 6 --beta 4 --epochs 16 --lr 2e-3 --seed 1"),
    "mnist-dcgan": ("DCGAN: digits painted from 100 random numbers",
                    "--data mnist --kind gan --hidden 32 --epochs 12 --batch-size 128 --schedule constant --beta2 0.999"),
    "mnist-ebgan": ("Energy-based GAN: its discriminator is an autoencoder",
                    "--data mnist --kind ebgan --epochs 20 --batch-size 128 --schedule constant --beta2 0.999"),
    "mnist-pixelcnn": ("Pixel by pixel: convolutions that look up and to the left",
                       "--data mnist --kind pixelcnn --epochs 8"),
    "mnist-made": ("Pixel by pixel: a masked autoencoder", "--data mnist --kind made --hidden 2000 --epochs 40"),
    "mnist-fvsbn": ("Pixel by pixel: logistic regressions only", "--data mnist --kind fvsbn --epochs 80 --batch-size 256"),
}
SINCE = ("mnist-dcgan", "mnist-ebgan", "mnist-pixelcnn", "mnist-made", "mnist-fvsbn")  # trained with the defaults of today


JUDGES = ("mnist", "fashion-mnist")  # data sets whose draws are measured


PRIORS = {"mnist-20d-prior": ("mnist-20d-binary", 12_000)}  # name -> the model whose codes it learns, and for how many steps
DRAWS = 10_000  # that a prior is measured by


def build_judge(name: str) -> None:
    """Train the judge of a data set and put it into the folder beside."""
    out = judge.SHIPPED / f"{name}.safetensors"
    out.unlink(missing_ok=True)
    if train_judge(["--data", name, "--epochs", "3", "--out", f"checkpoints/judges/{out.name}"]):
        raise SystemExit(f"training the judge of {name} failed")


def build_prior(name: str) -> None:
    """Learn the prior of a model that ships, measure it beside the plain ones, and put it into the folder beside."""
    of, steps = PRIORS[name]
    opened = checkpoint.find(of)
    images = data.load(opened.recipe.data.name)
    codes, by = prior.sampled_codes(opened.model, images.train_images), judge.shipped(images)
    real, metrics = draws.moments(judge.judged(by.network, images.test_images).features), {}
    for kind in ("normal", "gaussian", "mixture", "flow"):
        *_, last = prior.learn(PriorConfig(codes.shape[1], kind), codes, steps)
        looked_at = judge.judged(by.network, _painted(opened, last.network))
        metrics[f"frechet_{kind}"] = draws.frechet_distance(looked_at.features, real)
    weights, recipe = prior.to_bytes(
        prior.belonging(last.network, opened), opened, {"steps": steps, "codes": len(codes), "seed": 0}, metrics,
        f"python -m checkpoints.build {name}",
    )
    companion.save(prior.SHIPPED / name, weights, recipe)
    print(name, {key: round(value, 2) for key, value in metrics.items()})


@torch.no_grad()
def _painted(opened: checkpoint.Checkpoint, network) -> torch.Tensor:
    """DRAWS draws, decoded: uint8 (DRAWS, C, H, W)."""
    parts = network.draw(DRAWS, seed=0).split(evaluate.BATCH)
    return torch.cat([opened.model.decode(some).mul(255).round().byte() for some in parts])


def build(name: str) -> None:
    """Train one checkpoint and put it into this folder."""
    title = RECIPES[name][0]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for arguments in trainings(name):
            if train([*arguments.split(), "--title", title]):
                raise SystemExit(f"training {name} failed")
        out = Path(arguments.split()[-1])
        ship(name, checkpoint.open_file(out / "checkpoint"))


def trainings(name: str) -> list[str]:
    """The arguments of `python -m vae_core.train`, one training after the other."""
    words, begin = [], ""
    for number, arguments in enumerate(RECIPES[name][1:], start=1):
        out = f"runs/{name}" if number == 1 else f"runs/{name}-{number}"
        words.append(f"{EARLIER} " * (name not in SINCE) + f"{arguments}{begin} --out {out}")
        begin = f" --init {out}/checkpoint"
    return words


def ship(name: str, trained: checkpoint.Checkpoint) -> None:
    """Evaluate what was trained by the recipe called `name` in full, and put it into this folder."""
    metrics = dict(trained.recipe.metrics) | measure(trained.model, data.load(trained.recipe.data.name))
    command = " && ".join(f"python -m vae_core.train {words}" for words in trainings(name))
    recipe = trained.recipe.model_copy(update={"metrics": metrics, "command": command})
    checkpoint.save(FOLDER, name, checkpoint.to_bytes(trained.model, recipe, trained.half), recipe)
    print(name, {key: round(value, 3) for key, value in metrics.items()})


def measure(model, images: data.ImageSet) -> dict[str, float]:
    """The figures of `evaluate` that say what a VAE's code is good for; the log-likelihood bound where pixels are binary."""
    if not family_of(model).has_posterior:
        return {}
    train_mu, _ = evaluate.encode(model, images.train_images)
    test_mu, _ = evaluate.encode(model, images.test_images)
    labels = images.train_labels, images.test_labels
    figures = {"knn_accuracy": evaluate.knn_accuracy(train_mu, labels[0], test_mu, labels[1])}
    if model.config.binarize:
        bound = evaluate.importance_weighted_bound(model, images.test_images, IMPORTANCE_SAMPLES)
        figures["importance_weighted_bound"] = bound.mean().item()
        figures["importance_samples"] = IMPORTANCE_SAMPLES
    return figures


if __name__ == "__main__":
    judges = {f"judge-{name}": name for name in JUDGES}
    for chosen in sys.argv[1:] or (*RECIPES, *judges, *PRIORS):  # a prior is of a model that is trained by then
        if chosen in judges:
            build_judge(judges[chosen])
        elif chosen in PRIORS:
            build_prior(chosen)
        elif chosen in RECIPES:
            build(chosen)
        else:
            known = ", ".join((*RECIPES, *judges, *PRIORS))
            raise SystemExit(f"There is no shipped checkpoint called {chosen}; choose from {known}.")
