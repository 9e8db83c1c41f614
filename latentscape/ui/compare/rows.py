"""What is compared: the data sets that models here were trained on, and of the chosen one a row a model."""

from dataclasses import dataclass

import streamlit as st

from latentscape.ui.codes import data_set, is_own
from latentscape.ui.own import remembered
from latentscape.ui.picker import choices, opened
from latentscape.ui.visitor import visitor
from latentscape.work import analysis_worker
from latentscape.work.analyses import Analysis, analyses
from vae_core import compare, data, judge
from vae_core.checkpoint import Checkpoint
from vae_core.compare import Nats
from vae_core.data import ImageSet
from vae_core.errors import BadInput
from vae_core.models import FAMILIES
from vae_core.settings import Setting

DRAWING = tuple(name for name, family in FAMILIES.items() if family.draws)
DECODING = tuple(name for name, family in FAMILIES.items() if family.encodes and family.decodes)
REAL = "Real against real"
FIRST = "mnist"  # the data set that is shown first, where a model of it is here
COUNT = Setting(
    "draws", "number of draws", "Draws a model", "More of them say more, and take longer. Distances compare at one number.",
    str, str(compare.COUNTS[0]), choices={str(count): f"{count:,}" for count in compare.COUNTS},
)
SOURCE = Setting(
    "codes", "source of codes", "Codes from",
    "N(0, I), by randn, is what models are decoded from. By rand all numbers of a code are between 0 and 1: the mistake of a "
    "program of the course, to see what it does. Models that paint pixel by pixel have no code.",
    str, "randn", choices={"randn": "randn", "rand": "rand, a mistake"},
)
SEED = Setting("seed", "seed", "Seed", "Another seed draws other pictures, the same codes for models of one size.", int, 0, 0,
               2**31 - 1)


@dataclass(frozen=True, eq=False)
class Chosen:
    """A data set, as far as it is here, and its judge. `brief` is what the worker is sent of it: its name is enough."""

    name: str
    digest: str
    title: str
    images: ImageSet | None
    reason: str  # why its images are not here
    judge: judge.Opened | None

    @property
    def brief(self) -> ImageSet | str | None:
        return self.name if self.images is not None and self.name in data.NAMES else self.images


@dataclass(frozen=True, eq=False)
class Row:
    """Of a model, or of real images, where it is None."""

    name: str  # among the picker's choices
    label: str
    model: Checkpoint | None
    problem: str = ""  # why there is nothing to measure

    @property
    def nats(self) -> Nats:
        if self.model is None:
            return Nats("")
        return compare.nats(self.model.family, self.model.model.config, self.model.recipe.metrics)


def data_sets(kinds: tuple[str, ...]) -> dict[str, list[str]]:
    """Digest -> names of the models of these kinds that were trained on it, that of FIRST first."""
    found: dict[str, list[str]] = {}
    for name in choices(kinds):
        try:
            known = opened(name, kinds).recipe.data
        except BadInput:
            continue
        found.setdefault(known.digest, []).append(name)
    is_first = lambda digest: opened(found[digest][0], kinds).recipe.data.name != FIRST  # noqa: E731
    return {digest: found[digest] for digest in sorted(found, key=is_first)}


def word_of(digest: str, names: list[str]) -> str:
    """A data set in an address: its name; of somebody's own pictures the beginning of their digest, for names may be alike."""
    known = opened(names[0], tuple(FAMILIES)).recipe.data
    return known.name if known.name in data.NAMES else f"own-{digest[:8]}"


def title_of(name: str) -> str:
    """What the data set of this name is called for people."""
    return data.TITLES.get(name) or data.own_name(name) or name


def chosen_set(digest: str, names: list[str]) -> Chosen:
    """The data set with this digest, which these models were trained on."""
    model = opened(names[0], tuple(FAMILIES))
    name, images, reason = model.recipe.data.name, None, ""
    try:
        if name == "fashion-mnist" and not data.fashion_is_here():
            raise BadInput("Fashion-MNIST is not on this machine; DATASETS.md says where its files go.")
        images = data_set(model)
    except BadInput as error:
        reason = str(error)
    by = None
    if images is not None and not is_own(model):
        by = remembered(("judge of draws", digest), lambda: (judge.shipped(images),))[0]
    return Chosen(name, digest, title_of(name), images, reason, by)


def rows(of: Chosen, names: list[str]) -> list[Row]:
    """Real images, and each of these models."""
    found, labels = [Row("", REAL, None, of.reason)], choices(DRAWING)
    for name in names:
        found.append(Row(name, labels[name].label, opened(name, DRAWING)))
    return found


@dataclass(frozen=True, eq=False)
class Asked:
    """How rows are measured: what all of them have in common."""

    of: Chosen
    count: int
    seed: int
    source: str

    def key(self, row: Row) -> tuple:
        """What a row's analysis is known by: weights, images, judge and number, and nothing that is only a name."""
        by = self.of.judge and self.of.judge.digest
        if row.model is None:
            return "compare", "real", self.of.digest, by, self.count
        source = "randn" if row.model.family.paints else self.source
        return "compare", row.model.digest, self.of.digest, by, self.count, self.seed, source

    def find(self, row: Row) -> Analysis | None:
        return None if row.problem else analyses().find(self.key(row), visitor())

    def ask(self, row: Row) -> Analysis:
        """Have it measured. Raises BadInput where too many wait."""
        model, of = row.model and row.model.model, self.of
        brief = of.brief if model is None or of.judge is not None else None
        source = self.key(row)[-1] if model is not None else "randn"
        return analyses().ask(
            self.key(row), visitor(), analysis_worker.compare_model, model, of.judge, brief, self.count, self.seed, source
        )


def asked_for(of: Chosen) -> Asked:
    """As the controls stand."""
    state = st.session_state
    return Asked(
        of, int(state.get("compare_count", COUNT.default)), int(state.get("compare_seed", SEED.default)),
        state.get("compare_source", SOURCE.default),
    )
