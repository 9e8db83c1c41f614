"""The pad's Python side: planes, parcels, and what it believes of the browser. AppTest runs no JavaScript."""

import base64
import gc
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from conftest import PATIENCE
from streamlit.testing.v1 import AppTest

from latent_pad import Encoded, Heat, Plane, Posterior, latent_pad, pack_decoder, pack_points, shelf
from latent_pad.marks import COLOURS, SHAPES, mark
from latentscape.ui.figures import latent_map
from vae_core.models.vae import VAE, VAEConfig

DECODER = pack_decoder(VAE(VAEConfig(latent_dim=2)).decoder, 2, (1, 28, 28))


def page():
    """A pad whose position a test sets."""
    import streamlit as st

    from latent_pad import Plane, latent_pad, pack_decoder
    from vae_core.models.vae import VAE, VAEConfig

    decoder = pack_decoder(VAE(VAEConfig(latent_dim=3)).decoder, 3, (1, 28, 28))
    plane = Plane.axes(3, *st.session_state.get("axes", (0, 1)))
    settled = latent_pad(decoder, plane, position=st.session_state.get("position"), key="pad")
    st.session_state["settled"] = tuple(settled)


def settled(app: AppTest) -> tuple:
    assert not app.exception
    return app.session_state["settled"]


def report(app: AppTest, x, y, **more) -> AppTest:
    app.session_state["pad"] = {"point": {"x": x, "y": y, **more}}
    return app.run()


def test_the_settled_point_is_the_position_until_the_browser_reports():
    app = AppTest.from_function(page, default_timeout=PATIENCE).run()
    assert settled(app) == (0, 0, (0, 0, 0))
    app.session_state["position"] = (1.0, 2.0)
    assert settled(app.run()) == (1, 2, (1, 2, 0))
    identity = Plane.axes(3).identity
    assert settled(report(app, -1.5, 0.5, number=10, plane=identity)) == (-1.5, 0.5, (-1.5, 0.5, 0))
    app.session_state["position"] = (3.0, 3.0)
    assert settled(app.run())[:2] == (3, 3), "a new position wins over an old report"
    assert settled(report(app, 0.25, 0.25, number=11, plane=identity))[:2] == (0.25, 0.25)
    app.session_state["position"] = None
    assert settled(app.run())[:2] == (0.25, 0.25)


def test_a_position_asked_for_again_moves_the_marker_back():
    app = AppTest.from_function(page, default_timeout=PATIENCE)
    app.session_state["position"] = (1.0, 2.0)
    app.run()
    report(app, -1.5, 0.5, number=10, plane=Plane.axes(3).identity)
    assert settled(app.run())[:2] == (-1.5, 0.5), "the same position is no new one"
    app.session_state["position"] = None
    assert settled(app.run())[:2] == (-1.5, 0.5)
    app.session_state["position"] = (1.0, 2.0)
    assert settled(app.run())[:2] == (1, 2)


def test_another_plane_starts_anew():
    app = AppTest.from_function(page, default_timeout=PATIENCE).run()
    report(app, 1.0, 2.0, number=10, plane=Plane.axes(3).identity)
    app.session_state["axes"] = (1, 2)
    assert settled(app.run()) == (0, 0, (0, 0, 0))
    assert settled(report(app, 1.0, 2.0, number=11, plane=Plane.axes(3, 1, 2).identity)) == (1, 2, (0, 1, 2))


@pytest.mark.parametrize(
    "point", [None, 5, {}, {"x": 1}, {"x": "1", "y": 2}, {"x": float("nan"), "y": 0}, {"x": 1e300, "y": 0}, {"x": [1], "y": 1}]
)
def test_nonsense_from_the_browser_is_not_believed(point):
    app = AppTest.from_function(page, default_timeout=PATIENCE).run()
    app.session_state["pad"] = {"point": point}
    assert settled(app.run()) == (0, 0, (0, 0, 0))


def page_of_own_pictures() -> None:
    import numpy as np
    import streamlit as st

    from latent_pad import forget, latent_pad, pack_decoder, pack_points
    from vae_core.models.vae import VAE, VAEConfig

    decoder = pack_decoder(VAE(VAEConfig(latent_dim=2, hidden=8)).decoder, 2, (1, 28, 28))
    points = pack_points(np.full((4, 2), 0.25))
    latent_pad(decoder, points=points, key="pad")
    st.session_state["digest"] = points.parcel.digest
    if st.session_state.get("gone"):
        forget()


def test_what_a_visitor_has_removed_is_not_served_any_more():
    app = AppTest.from_function(page_of_own_pictures, default_timeout=PATIENCE).run()
    assert not app.exception
    digest = app.session_state["digest"]
    gc.collect()
    assert shelf._shelf.get(digest) is not None, "held for the visitor, who may ask for it"
    app.session_state["gone"] = True
    app.run()
    gc.collect()
    assert shelf._shelf.get(digest) is None


def test_planes():
    plane = Plane.axes(5, 1, 3, origin=[1, 1, 1, 1, 1])
    assert plane.point(2, -2) == (1, 3, 1, -1, 1)
    assert plane.coordinates((9, 3, 9, -1, 9)) == (2, -2)
    a, b, c = np.random.default_rng(0).normal(size=(3, 6))
    through = Plane.through(a, b, c)
    for corner in (a, b, c):
        np.testing.assert_allclose(through.point(*through.coordinates(corner)), corner, atol=1e-12)
    axes = np.array([through.u, through.v])
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-12)
    line = Plane.axes(1)
    assert line.point(0.5, 9) == (0.5,)
    assert line.coordinates([0.25]) == (0.25, 0)
    assert plane.identity != through.identity != line.identity


@pytest.mark.parametrize(
    "make",
    [
        lambda: Plane([0, 0], [1, 0], [2, 0]),
        lambda: Plane([0, 0], [0, 0], [0, 1]),
        lambda: Plane([0, 0], [1, 0, 0], [0, 1]),
        lambda: Plane([0, float("nan")], [1, 0], [0, 1]),
        lambda: Plane([0] * 4097, [1] * 4097),
        lambda: Plane.through([0, 0], [1, 1], [2, 2]),
        lambda: Posterior([0, 0], [1, -1]),
        lambda: Posterior([0, 0], [1]),
        lambda: Heat(np.zeros((0, 2)), (0, 1, 0, 1), "heat"),
        lambda: Heat(np.zeros(4), (0, 1, 0, 1), "heat"),
        lambda: Heat(np.zeros((2, 300)), (0, 1, 0, 1), "heat"),
        lambda: Heat([[np.nan]], (0, 1, 0, 1), "heat"),
        lambda: Heat([[-1]], (0, 1, 0, 1), "heat"),
        lambda: Heat([[1]], (1, 0, 0, 1), "heat"),
        lambda: Heat([[1]], (0, 1, 0, 1), "heat", highest=0),
        lambda: latent_pad(DECODER, layers="heat", key="pad"),
        lambda: Encoded(np.zeros((28, 28), np.uint8), [0, 0]),
        lambda: Encoded(np.zeros((1, 28, 28)), [0, 0]),
        lambda: Encoded(np.zeros((1, 28, 28), np.uint8), [0, np.inf]),
        lambda: latent_pad(DECODER, encoded=Encoded(np.zeros((1, 28, 28), np.uint8), [0]), key="pad"),
        lambda: latent_pad(DECODER, encoded=Encoded(np.zeros((1, 8, 8), np.uint8), [0, 0]), key="pad"),
        lambda: latent_pad(DECODER, heat=Heat([[1]], (0, 1, 0, 1), "heat"), key="pad"),
        lambda: latent_pad(DECODER, path=[(0, 0)], key="pad"),
        lambda: latent_pad(DECODER, path=[(0, 0)] * 1001, key="pad"),
        lambda: pack_points(np.zeros((0, 2))),
        lambda: pack_points(np.full((2, 2), np.inf)),
        lambda: pack_points(np.zeros((2, 2)), labels=np.array([0, -1])),
        lambda: pack_points(np.zeros((2, 2)), images=np.zeros((2, 1, 3, 3))),
        lambda: pack_decoder(VAE(VAEConfig()).decoder, 20, (1, 28, 28), output="softmax"),
    ],
)
def test_what_does_not_fit_is_refused(make):
    with pytest.raises(ValueError, match=r"must|line|lies"):
        make()


def test_parcels_hold_only_the_decoder_and_are_known_by_their_content():
    vae = VAE(VAEConfig(latent_dim=2))
    full, half = (pack_decoder(vae.decoder, 2, (1, 28, 28), half=half).parcel for half in (False, True))
    numbers = sum(parameter.numel() for parameter in vae.decoder.parameters())
    assert 4 * numbers < len(full.payload) < 4 * numbers + 2000
    assert 2 * numbers < len(half.payload) < 2 * numbers + 2000
    assert full.digest != half.digest
    assert full == pack_decoder(vae.decoder, 2, (1, 28, 28)).parcel
    images = np.arange(2 * 9, dtype=np.uint8).reshape(2, 1, 3, 3)
    points = pack_points(np.ones((2, 4)), [1, 0], ["no", "yes"], images)
    tensors = safetensors.numpy.load(points.parcel.payload)
    assert sorted(tensors) == ["codes", "labels"], "the images come later"
    np.testing.assert_array_equal(safetensors.numpy.load(points.pictures.payload)["images"], images)
    assert pack_points(np.ones((2, 4))).pictures is None
    np.testing.assert_array_equal(tensors["labels"], [1, 0])
    assert (points.latent_dim, points.classes) == (4, ("no", "yes"))


def test_a_heat_map_travels_as_a_byte_a_value():
    linear = Heat([[0, 1], [3, 4]], (0, 1, -1, 1), "a unit").message()
    assert list(base64.b64decode(linear["levels"])) == [0, 64, 191, 255]
    assert (linear["rows"], linear["columns"], linear["highest"], linear["box"]) == (2, 2, 4, [0, 1, -1, 1])
    root = Heat([[0, 1, 4, 40]], (0, 1, 0, 0), "a unit", highest=16, root=True).message()
    assert list(base64.b64decode(root["levels"])) == [0, 64, 128, 255]
    assert set(base64.b64decode(Heat(np.zeros((2, 2)), (0, 1, 0, 1), "nothing").message()["levels"])) == {0}


def test_a_class_has_the_same_mark_in_the_pad_and_in_charts():
    assert len(COLOURS) == len(set(COLOURS)) == len(SHAPES) == len(set(SHAPES))
    assert len({mark(label) for label in range(100)}) == 100
    chart = latent_map(np.random.default_rng(0).normal(size=(24, 2)), list(range(12)) * 2, list("abcdefghijkl"), 2, None)
    assert [(trace.marker.color, trace.marker.symbol) for trace in chart.data] == [mark(label) for label in range(12)]
    script = (Path(__file__).parent.parent / "latent_pad" / "assets" / "glyphs.js").read_text()
    drawn = re.findall(r'^  "?([a-z-]+)"?: \(path, r\)', script, re.MULTILINE)
    assert tuple(drawn) == SHAPES
