"""What Train says about a training: what is minimised, the loss as a sum, and what is happening in it now."""

from collections.abc import Mapping

from latentscape.work.runs import Run
from vae_core.family import Family
from vae_core.models import FAMILIES, Config

COLLAPSED = 0.1  # nats of KL below which the code says nothing
STILL = 0.002  # of the loss: an epoch that lowers it by less hardly teaches any more
RISES = 0.02  # of the KL
PLAYERS = "**Two networks play**: the {} learns to tell drawn pictures from real ones, the {} to draw what it takes for real."


def minimised(request: Mapping) -> str:
    """The objective in a few words; the settings that are left out of a request have their defaults."""
    config = FAMILIES[request["kind"]].config
    model = {name: getattr(config, name, None) for name in ("beta", "reduction")} | request["model"]
    if model["beta"] is None:
        return "minimised"
    beta = f"{model['beta']:g}" if not request["training"].get("kl_warmup") else f"β (to {model['beta']:g})"
    recon = "recon / pixels" if model["reduction"] == "mean" else "recon"
    return f"minimised: {recon} + {beta} · KL"


def loss_name(request: Mapping) -> str:
    """What the loss of this training is called beside that of another one."""
    return FAMILIES[request["kind"]].config(**request["model"]).loss_name


def term_names(request: Mapping) -> dict[str, str]:
    """Each term -> what it is called beside those of another training. Only the KL is the same whatever the likelihood."""
    of = loss_name(request).removeprefix("-ELBO, ")
    terms = FAMILIES[request["kind"]].terms
    named = {term.name: term.title if term.name == "kl" else f"{term.title}, {of}" for term in terms}
    return named | {terms[0].name: loss_name(request)}


def settings(run: Run) -> str:
    """What is trained, and how: the settings of the run, which need not be those of the form."""
    training = run.request["training"]
    batch = run.about.get("batch_size") or training.get("batch_size")
    batches = [f"batches of {batch}"] if batch else []
    said = [run.request["title"], f"{run.total_epochs} epochs", *batches, f"seed {training.get('seed', 0)}"]
    return " · ".join([*said, f"loss: {loss_name(run.request)}"])


def in_numbers(request: Mapping, values: Mapping[str, float], tested: bool) -> str:
    """The loss, what it is the sum of, and what is minimised where that is something else: Test loss (-ELBO, grey BCE) 141.1 =
    recon 134.6 + KL 6.6 nats per image. `tested`: of test images, else of training batches. Empty where nothing is measured."""
    if not values:
        return ""
    first, *others = FAMILIES[request["kind"]].terms
    label = first.label if tested else first.label.replace("Test", "Training")
    number = lambda term: f"**{values[term.name]:.{term.digits}f}**"  # noqa: E731
    parts = " + ".join(f"{term.title} {number(term)}" for term in others if term.name in first.of)
    loss = f"{label} ({loss_name(request)}) {number(first)}" + f" = {parts}" * bool(parts)
    rest = (f"{term.title} {number(term)} {term.unit}".rstrip() for term in others if term.name not in first.of)
    said = " · ".join([loss + f" {first.unit} per image" * bool(first.unit), *rest])
    plain = minimised(request) == minimised({"kind": request["kind"], "model": {}, "training": {}})
    return said if plain else f"{said}; {minimised(request)}"


def explained(family: Family) -> str:
    """Each of its terms in a sentence."""
    return "\n\n".join(f"**{term.label}**: {term.about}" for term in family.terms)


def to_see(family: Family) -> str:
    """What a training of this family is going to show, for somebody who has not seen one."""
    first, *others = family.terms
    parts = [term.title for term in others if term.name in first.of]
    loss = f"The loss is the sum of {' and '.join(f'*{part}*' for part in parts)}." if parts else first.about
    falls = "losses fall" if parts else f"{first.title} falls"
    lines = [PLAYERS.format(*family.parts) if family.parts else f"**The {falls}**, in {first.unit} per image. {loss}"]
    if "kl" in first.of:
        lines[0] += " The sum is the negative ELBO. The KL usually *rises*: the code begins to say something."
    if family.encodes:
        lines.append(
            "**The latent map** starts as one cloud. Each mark is a test image that the model never trains on. The cloud pulls "
            "itself apart into classes, though no label is ever shown to it."
        )
    if family.encodes or family.repairs:
        given = "**Damaged test images** are repaired" if family.has("corruption") else "**The reconstructions** sharpen"
        lines.append(f"{given}: compare each picture with the one above it.")
    if family.paints:
        lines.append(
            "**The samples** are painted pixel by pixel, each drawn from those before it, always with the same dice: noise "
            "turns into strokes, and strokes into shapes."
        )
    elif family.draws:
        lines.append("**The samples**, always the same draws from the prior, turn into pictures like those of the data.")
    shown = "\n".join(f"- {line}" for line in lines)
    where = "to explore it" if family.page == "Explore" else f"to use it on {family.page}"
    return (
        f"What you will see, about once a second:\n\n{shown}\n\nAfterwards press *Play* to see it happen again, and keep the "
        f"model {where}."
    )


def stopped_early(progress: float) -> str:
    """Of a training that was stopped before an epoch was over, which is no failure."""
    if not progress:
        return "**It was stopped before it began.** Nothing went wrong; press *Train* to begin anew."
    return (
        "**It was stopped within the first epoch.** Nothing went wrong: what it had learned by then is shown, and the model "
        "can be kept, below. It was not measured on the test images yet."
    )


def happening(family: Family, epochs: list[dict], progress: float, is_over: bool, config: Config | None = None) -> str:
    """What is to be seen now, in one or two sentences: from the records of the epochs that are over, and how far it is, of a
    model with these settings, else with the plain ones."""
    if not epochs:
        if not progress:
            given = "image" if family.encodes or family.repairs else "draw"
            return f"**Before training** the weights are drawn at random: it paints nearly the same for every {given}."
        return (
            "**The first epoch.** Nearly everything happens here: from one picture for all to pictures that differ."
            + " Watch one cloud come apart, though no label is ever shown to it." * family.encodes
        )
    last, before = epochs[-1], epochs[-2] if len(epochs) > 1 else None
    if last.get("test_kl", COLLAPSED) < COLLAPSED:
        return (
            "**Posterior collapse.** The KL is almost zero: the encoder says the same of every image, and the decoder answers "
            "with one average picture. Sum the reconstruction over pixels, or lower beta."
        )
    tested = {name.removeprefix("test_"): value for name, value in last.items() if name.startswith("test_")}
    if noticed := family.noticed(config or family.config(), tested):
        return noticed
    if is_over:
        return "**It is over.** Press *Play* to see it happen again, and keep the model, below, to explore it."
    if family.parts:
        return "**They play on.** What one wins the other loses, so that no curve need fall: look at the samples."
    if before is None:
        return "**The second epoch.** From now on the loss falls slowly; details sharpen, and what looks alike moves together."
    if before["test_loss"] - last["test_loss"] < STILL * abs(before["test_loss"]):
        return "**It hardly gets better.** The last epoch lowered the loss on test images by less than 0.2 %."
    if "test_kl" in last and last["test_kl"] > (1 + RISES) * before["test_kl"]:
        return "**The KL rises**: the code says more about each image, and the reconstruction pays it back with more than that."
    return "**It still learns.** Reconstructions sharpen; compare them with the pictures above them."
