"""The marks of the classes, measured: who can tell them apart, and on which page they can be seen."""

import itertools
import tomllib

import numpy as np
import pytest
from conftest import ROOT
from skimage.color import deltaE_ciede2000, rgb2lab

from latent_pad import marks
from latentscape.ui import figures

THEME = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
PAGES = [THEME[name]["backgroundColor"] for name in ("light", "dark")]
PAIRS = list(itertools.combinations(range(10), 2))
APART = {"all cones": 20, "no red": 12, "no green": 12, "no blue": 12}  # CIEDE2000; two greens that touch are told apart from 2

# What is seen without one kind of cones, in linear sRGB. Source: Machado, Oliveira & Fernandes 2009, "A physiologically-based
# model for simulation of color vision deficiency", severity 1.0: protanopia, deuteranopia, tritanopia.
SEEN = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def rgb(colours) -> np.ndarray:
    return np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in colours])


def as_seen(colours, how: str) -> np.ndarray:
    """Colours of sRGB (N,) -> what such a person sees, (N, 3)."""
    linear = np.where(rgb(colours) <= 0.04045, rgb(colours) / 12.92, ((rgb(colours) + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SEEN[how]).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def distances(colours, how: str) -> np.ndarray:
    """(N, N) in CIEDE2000."""
    lab = rgb2lab(as_seen(colours, how)[None])[0]
    return deltaE_ciede2000(lab[:, None], lab[None])


@pytest.mark.parametrize("how", SEEN)
def test_any_two_classes_are_far_apart_in_colour(how):
    found = distances(marks.COLOURS, how)
    near = min(PAIRS, key=lambda pair: found[pair])
    assert found[near] >= APART[how], near


def test_the_measure_finds_what_merges():
    """A red and a green of a well-known palette, which are one to who has no green cones."""
    both = ["#e15759", "#59a14f"]
    assert distances(both, "no green")[0, 1] < 2
    assert distances(both, "all cones")[0, 1] > 50


def test_a_few_classes_differ_most():
    least = [min(distances(marks.COLOURS[:few], how)[pair] for how in SEEN for pair in PAIRS if max(pair) < few)
             for few in range(2, 11)]
    assert least == sorted(least, reverse=True)
    assert least[1] > 20  # three


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", [*marks.COLOURS, marks.HEAT, figures.TRAIN, figures.TEST, figures.GREY])
def test_each_is_seen_on_both_pages(colour, page):
    assert marks.contrast(colour, page) >= 3


@pytest.mark.parametrize("colour", marks.COLOURS)
def test_a_name_on_a_colour_can_be_read(colour):
    assert marks.contrast(marks.ink(colour), colour) >= 4.5


def test_contrast_is_that_of_wcag():
    """Values that every checker gives."""
    assert marks.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert marks.contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    assert marks.contrast("#ffffff", "#777777") == marks.contrast("#777777", "#ffffff")


def test_points_of_a_map_have_the_whole_colour_and_names_that_can_be_read():
    rng = np.random.default_rng(0)
    points, labels, classes = rng.normal(size=(40, 2)), np.arange(40) % 10, [str(digit) for digit in range(10)]
    drawn = [
        figures.latent_map(points, labels.tolist(), classes, 2, None),
        figures.projection_map(points, labels, tuple(classes), ("z1", "z2"), {}),
        figures.maps_beside([("one", points, labels.tolist())], classes),
    ]
    for figure in drawn:
        assert {trace.marker.opacity for trace in figure.data} <= {None, 1}
        assert [trace.marker.color for trace in figure.data] == list(marks.COLOURS)
    names = [each for figure in drawn[:2] for each in figure.layout.annotations]
    assert len(names) == 20
    assert all(marks.contrast(each.font.color, each.bgcolor) >= 4.5 and each.opacity in (None, 1) for each in names)


OVERLAP = """async ([url, shapes]) => {
    const { glyphPath } = await import(url);
    const cells = shapes.map((shape) => {
        const canvas = new OffscreenCanvas(200, 200), context = canvas.getContext("2d");
        context.translate(100, 100);
        context.fill(glyphPath(shape, 60));
        return context.getImageData(0, 0, 200, 200).data.filter((_, at) => at % 4 === 3).map((alpha) => (alpha > 127 ? 1 : 0));
    });
    const share = (one, other) => {
        let both = 0, either = 0;
        one.forEach((cell, at) => { both += cell & other[at]; either += cell | other[at]; });
        return both / either;
    };
    return cells.map((one) => cells.map((other) => share(one, other)));
}"""


@pytest.mark.browser
def test_where_colours_are_near_shapes_have_little_in_common(page, server):
    """Shared area over joint area of the shapes as the pad draws them: circle and pentagon have 0.9, cross and x 0.4."""
    page.goto(server.url)
    shared = page.evaluate(OVERLAP, [f"{server.url}/_stcore/bidi-components/latent_pad.latent_pad/glyphs.js", marks.SHAPES])
    near = [pair for pair in PAIRS if min(distances(marks.COLOURS, how)[pair] for how in SEEN) < 14]
    assert len(near) >= 10
    assert {pair: shared[pair[0]][pair[1]] for pair in near if shared[pair[0]][pair[1]] > 0.7} == {}
    assert max(shared[one][other] for one, other in PAIRS) > 0.8  # the measure finds what is alike
