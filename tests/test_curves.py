"""The panels of a training's losses: every term of the family in its unit, the line that theory gives, all in sight."""

from dataclasses import replace

import numpy as np
import pytest

from latentscape.ui.train.curves import loss_curves
from vae_core.family import Term
from vae_core.models import FAMILIES

GAME = replace(
    FAMILIES["ae"], parts=("critic", "generator"),
    terms=(Term("told", "critic", "", "", reference=2 * np.log(2)), Term("sharp", "sharpness", "", "", unit="bits")),
)


def curves(family, values, objective=None):
    """A figure of a training in which each measured term is `values` (T, N) at N batches, and after each of two epochs; its
    objective is the first of all terms, or `objective` (N,)."""
    values = np.asarray(values, float)
    minimised = family.told(values)[family.terms[0].name] if objective is None else objective
    rows = np.concatenate([[minimised], values])
    curve = [[position, *column] for position, column in zip(np.linspace(0.1, 2, values.shape[1]), rows.T, strict=True)]
    tested = family.told(values[:, -1])
    epochs = [{"epoch": epoch} | {f"test_{name}": value for name, value in tested.items()} for epoch in (1, 2)]
    return loss_curves(curve, epochs, 2, family, "what is asked for")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_every_term_has_its_panel_in_its_unit(family):
    figure = curves(family, np.linspace([9] * len(family.measured), [5] * len(family.measured), 30).T)
    assert [note.text for note in figure.layout.annotations] == [term.title for term in family.terms]
    assert figure.layout.yaxis.title.text == f"{family.terms[0].unit} per image".strip()
    lines = [term.line(family.config()) for term in family.terms]
    assert [shape.y0 for shape in figure.layout.shapes] == [line for line in lines if line is not None]
    for number, term in enumerate(family.terms):
        trained, tested = figure.data[2 * number : 2 * number + 2]
        np.testing.assert_allclose(tested.y, family.told(np.full(len(family.measured), 5.0))[term.name])
        assert f" {term.unit}<" in trained.hovertemplate


def test_the_line_of_theory_is_that_of_the_settings():
    gan, curve = FAMILIES["gan"], [[0.5, 2.0, 1.2, 0.8, 0.6, 0.4], [1.5, 2.1, 1.3, 0.8, 0.6, 0.4]]
    heights = {
        loss: [shape.y0 for shape in loss_curves(curve, [], 2, gan, config=gan.config(game=loss)).layout.shapes]
        for loss in ("non-saturating", "least-squares", "wgan-gp")
    }
    assert heights == {"non-saturating": [2 * np.log(2)], "least-squares": [0.25], "wgan-gp": []}


def test_a_term_in_another_unit_says_so_and_a_line_of_theory_is_in_sight():
    figure = curves(GAME, [np.linspace(0.9, 0.8, 30), np.linspace(3, 2, 30)])
    assert [figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text] == ["nats per image", "bits per image"]
    (line,) = figure.layout.shapes
    assert line.y0 == line.y1 == pytest.approx(1.386, abs=1e-3)
    assert line.yref == "y"
    low, high = figure.layout.yaxis.range
    assert low < 0.8 < line.y0 < high


@pytest.mark.parametrize("level", [-900.0, -0.5, 0.0, 0.5, 900.0])
def test_a_loss_is_in_sight_whatever_its_sign(level):
    """A density is no probability: its negative logarithm may be below zero."""
    figure = curves(FAMILIES["ae"], [np.linspace(level + 10, level, 40)])
    low, high = figure.layout.yaxis.range
    assert low <= level < high


@pytest.mark.parametrize("factor", [0.0, 4.0])
def test_what_is_minimised_has_its_own_panel_where_it_is_not_the_loss(factor):
    """With beta 0 the loss -ELBO may rise while what is minimised falls."""
    recon, kl = np.linspace(200, 100, 30), np.linspace(5, 150, 30)
    figure = curves(FAMILIES["vae"], [recon, kl], recon + factor * kl)
    assert [note.text for note in figure.layout.annotations][-1] == "what is asked for"
    trained, tested = figure.data[-2:]
    np.testing.assert_allclose(trained.y, recon + factor * kl)
    assert len(tested.y) == 0
