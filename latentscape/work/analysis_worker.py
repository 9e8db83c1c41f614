"""What runs inside the analysis worker: tasks of latentscape/work/analyses.py. Imports no Streamlit."""

import contextlib
import os
import time
from dataclasses import asdict

import numpy as np

TELL_SECONDS = 0.4  # between pictures of a layout
THREADS = max(1, (os.cpu_count() or 1) - 1)  # one core stays free for the pages; OpenMP threads without a core stall the rest


def warm_up() -> None:
    """Import what takes seconds to import."""
    import openTSNE  # noqa: F401


def tsne(
    tell, stopped, codes: np.ndarray, others: np.ndarray | None, iterations: int, perplexity: float, seed: int
) -> dict | None:
    """Lay out codes (N, L), telling iteration, points and divergence on the way; at the end place others (M, L) among them,
    if there are any.

    Returns points (N, 2), others (M, 2) or None, and divergence, or None when it was stopped.
    """
    from vae_core.projection import TSNE

    layout, told = TSNE(codes, perplexity, seed, THREADS, iterations), 0.0
    for moment in layout:
        if stopped():
            return None
        if time.monotonic() - told > TELL_SECONDS:
            tell(iteration=moment.iteration, iterations=iterations, points=moment.points, divergence=moment.divergence)
            told = time.monotonic()
    placed = None if others is None else layout.place(others)
    return {"points": moment.points, "others": placed, "divergence": moment.divergence}


def trust(tell, stopped, codes: np.ndarray, points: np.ndarray, labels: np.ndarray) -> dict:
    """How far the picture `points` (N, 2) of codes (N, L) can be trusted: see evaluate and projection. The accuracies of a vote
    are left out where the labels allow none."""
    from vae_core import evaluate, projection
    from vae_core.errors import BadInput

    result = {"trustworthiness": projection.trustworthiness(codes, points)}
    with contextlib.suppress(BadInput):
        for name, places in (("knn_codes", codes), ("knn_points", points)):
            result[name] = evaluate.neighbour_accuracy(places, labels)
    return result


def probe(tell, stopped, model, data_set, shown: tuple[int, ...]) -> dict | None:
    """Linear probes on the model's codes and on pixels, with `shown` labels each (0: all), of a data set or the one so named.

    Tells "found", a list of (shown, "codes" or "pixels", accuracy), as it grows.
    Returns the same, or None when it was stopped.
    """
    from vae_core import data, energy, evaluate

    images = data.load(data_set) if isinstance(data_set, str) else data_set
    train, test = (energy.codes(model, data.to_float(part)) for part in (images.train_images, images.test_images))
    features = {"codes": (train, test), "pixels": (images.train_images / 255, images.test_images / 255)}
    found = []
    classes = len(images.classes)
    for count in shown:
        if count and not classes <= count <= len(images.train_labels) - classes:
            continue
        for name, (known, asked) in features.items():
            if stopped():
                return None
            accuracy = evaluate.linear_probe(known, images.train_labels, asked, images.test_labels, count or None)
            found.append((count, name, accuracy))
            tell(found=list(found))
    return {"found": found}


def damage_curve(
    tell, stopped, kind: str, amounts: tuple, methods: tuple[str, ...], count: int, models: dict
) -> dict | None:
    """How each method, with its model in `models` if it needs one, fares on the first `count` test images of MNIST as the
    damage grows: see inpainting.damage_curve.

    Tells "points", a list of CurvePoints as dictionaries, as it grows. Returns the same, or None when it was stopped.
    """
    from dataclasses import asdict

    from vae_core import data, inpainting

    images, points = data.load("mnist").test_images[:count], []
    for point in inpainting.damage_curve(images, kind, amounts, 0, models, methods):
        if stopped():
            return None
        points.append(asdict(point))
        tell(points=list(points))
    return {"points": points}


def bottleneck(tell, stopped, sizes: tuple[int, ...], epochs: int, images: int) -> dict | None:
    """Autoencoders of each size trained quickly on MNIST: see vae_core.bottleneck.

    Tells "trained", a list of (size, nats), as it grows. Returns the same, or None when it was stopped.
    """
    from vae_core import data
    from vae_core.bottleneck import trained_errors

    trained = []
    tell(trained=[])
    for point in trained_errors(data.load("mnist"), sizes, epochs, images, stopped=stopped):
        trained.append(point)
        tell(trained=list(trained))
    return None if stopped() else {"trained": trained}


def toy_field(tell, stopped, name: str, reach: float, side: int) -> dict | None:
    """What a denoiser of the toy curve of that name returns on a grid of side x side points, while it learns: see
    vae_core.vector_field.

    Tells step, steps and "returned" (side^2, 2). Returns the same, or None when it was stopped.
    """
    import torch

    from vae_core.vector_field import STEPS, curve, fit_denoiser, grid

    places, told = grid(reach, side), 0.0

    def look(model) -> dict:
        with torch.no_grad():
            return {"returned": model(places).numpy()}

    def each(step: int, model) -> bool:
        nonlocal told
        if time.monotonic() - told > TELL_SECONDS:
            tell(step=step, steps=STEPS, **look(model))
            told = time.monotonic()
        return not stopped()

    model = fit_denoiser(curve(name, 1000), each=each)
    return None if stopped() else {"step": STEPS, "steps": STEPS, **look(model)}


def compare_model(tell, stopped, model, judge, data_set, count: int, seed: int, source: str) -> dict | None:
    """Draws of a model, or where it is None real images, among the test images of a data set or the one so named, by a judge
    if there is one: see vae_core.compare.

    Tells share and doing. Returns figures, a dictionary, pictures and features, or None when it was stopped.
    """
    from vae_core import compare, data

    images = data.load(data_set) if isinstance(data_set, str) else data_set
    real = None
    if judge is not None:
        real = _real_features(tell, stopped, judge, images, count)
        if real is None:
            return None
    by = judge and judge.network
    if model is None:
        steps = compare.measure_real(images, by, real, count)
    else:
        steps = compare.measure(model, by, real, count, seed, source)
    last = _followed(tell, stopped, steps)
    if last is None:
        return None
    measured = last.result
    return {"figures": asdict(measured.figures), "pictures": measured.pictures, "features": measured.features}


_real: dict = {}  # the features of real images that were asked for last: all models of a comparison are measured among them


def _real_features(tell, stopped, judge, images, count: int):
    from vae_core import compare

    key = images.digest, judge.digest, count
    if key not in _real:
        last = _followed(tell, stopped, compare.look(judge.network, images.test_images[:count]))
        if last is None:
            return None
        _real.clear()
        _real[key] = last.result.features
    return _real[key]


def _followed(tell, stopped, steps, more=lambda last: {}):
    """The last of what a generator of compare.Told yields, told on the way with what `more` makes of it; None when stopped."""
    told = 0.0
    for last in steps:
        if stopped():
            return None
        if time.monotonic() - told > TELL_SECONDS:
            tell(share=last.share, doing=last.doing, **more(last))
            told = time.monotonic()
    return last


def compare_priors(tell, stopped, model, judge, data_set, count: int, seed: int, ready) -> dict | None:
    """What a decoder paints under several priors, of a data set or the one so named: see vae_core.compare.priors.

    Tells share, doing, "sheets", a list of dictionaries, as it grows, and the pictures of each as "pictures_0", ...
    Returns the same, or None when it was stopped.
    """
    from vae_core import compare, data

    images = data.load(data_set) if isinstance(data_set, str) else data_set

    def flat(last) -> dict:
        plain = [{"name": sheet.name, "frechet": sheet.frechet, "reason": sheet.reason} for sheet in last.result]
        pictures = {f"pictures_{i}": sheet.pictures for i, sheet in enumerate(last.result) if sheet.pictures is not None}
        return {"sheets": plain} | pictures

    steps = compare.priors(model, images, judge and judge.network, count, seed, ready)
    last = _followed(tell, stopped, steps, flat)
    return None if last is None else {"share": 1.0, "doing": last.doing} | flat(last)
