"""Somebody's words, on every page: names and sentences that try to be markdown, HTML or a chart's fields are shown as text."""

import functools
import json
import re
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from test_data_page import open_data, store, upload  # noqa: F401
from test_folder import picture, zipped
from test_pages import finished_run, open_app

from latentscape.ui import picker
from latentscape.ui.figures import class_bars, latent_map, maps_beside, projection_map, rate_distortion
from latentscape.ui.words import in_chart, in_markdown
from latentscape.work.belongings import Model, Pictures
from latentscape.work.cluster import Cluster
from latentscape.work.runs import FAILED
from vae_core import checkpoint, data, train
from vae_core.errors import BadInput
from vae_core.models.vae import VAEConfig

MARK = "evil"  # in everything hostile, so that it is found wherever it went
TRICKS = [
    f"![{MARK}](http://{MARK}.invalid/y.png)", f"<img src=http://{MARK}.invalid/x>", f"[{MARK}](javascript:alert(1))",
    f":material/home: {MARK}", f":red[{MARK}]", f"${MARK}$", f"`{MARK}` ``{MARK}`` ", f"# {MARK}", f"%{{x}} {MARK}",
    f"<a href='http://{MARK}.invalid'>b</a>", f"http://{MARK}.invalid -> :smile:",
]
NAME = "![evil](y) <b>evil :red[evil] `evil` $evil$"  # what a file may be called too
AS_TEXT = {  # element and field in which Streamlit shows words as they are (tried in a browser below)
    "Text.body", "Code.code_text", "Selectbox.options", "Selectbox.raw_value", "MultiSelect.options", "MultiSelect.raw_values",
    "ImageList.imgs.alt", "PlotlyChart.alt", "BidiComponent.mixed.json", "BidiComponent.json", "DownloadButton.url",
    "TextInput.placeholder", "TextInput.default",
}
MADE: dict[tuple[str, str], bytes] = {}
NOT_SHOWN = re.compile(r"\.(id|element_id|key|widget_id)$")


def strings(message, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a protobuf message, with the names of the fields that lead to it."""
    for field, value in message.ListFields():
        for part in value if field.is_repeated else [value]:
            if hasattr(part, "ListFields"):
                yield from strings(part, f"{path}.{field.name}")
            elif isinstance(part, str):
                yield f"{path}.{field.name}", part


def drawn(node) -> Iterator[tuple[str, str]]:
    """Every text that a page sends to the browser."""
    proto = getattr(node, "proto", None)
    if proto is not None:
        yield from strings(proto, type(proto).__name__)
    for child in getattr(node, "children", {}).values():
        yield from drawn(child)


def texts_in(value) -> Iterator[str]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)
    elif isinstance(value, str):
        yield value


def check(at: AppTest) -> int:
    """How often a page says hostile words; fails where it says them in a way that a browser would read as more than words."""
    assert not at.exception
    said = 0
    for where, text in drawn(at._tree):
        if MARK not in text or NOT_SHOWN.search(where):
            continue
        said += 1
        if where == "PlotlyChart.spec":
            check_chart(json.loads(text))
        elif where == "Html.body":
            assert all(MARK not in tag for tag in re.findall("<[^>]*>", re.sub('alt="[^"]*"', "", text)))
        elif where == "Markdown.body" and MARK not in re.sub(r"(`+) .*? \1", "", text):
            pass  # within a code span
        else:
            assert where in AS_TEXT, f"{where} would read this as markdown: {text[:200]}"
    return said


def check_chart(figure: dict) -> None:
    assert MARK not in "".join(trace.get("hovertemplate", "") for trace in figure["data"]), "a name is no template"
    for text in texts_in(figure):
        assert MARK not in text or not re.search(r"<(?!/?b>)", text), f"a chart would read tags: {text}"


@pytest.fixture
def hostile(jobs, store, monkeypatch, tmp_path):  # noqa: F811
    """A visitor with hostile pictures, models, runs and a cluster that answers in hostile words: the page of a session."""

    def nobody(self):
        raise BadInput(" ".join(TRICKS))

    monkeypatch.setattr(Cluster, "client", nobody)
    monkeypatch.setattr(picker, "KEPT", tmp_path)
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    for suffix in ("json", "safetensors"):
        shutil.copy(picker.SHIPPED / f"mnist-ae-30.{suffix}", tmp_path / f"{NAME}.{suffix}")
    at = upload(open_data(), hostile_zip(), f"{NAME}.zip")
    owner = at.session_state["visitor"]
    (mine,) = store.of(owner, "", Pictures)
    for name, weights in (("own", model_of(mine.images)), ("elsewhere", model_of(mine.images, TRICKS[0]))):
        store.add(Model(owner=owner, name=name, weights=weights), "")
    return at


@functools.cache
def hostile_zip() -> bytes:
    """A folder for each trick; backslash and slash would be folders of their own."""
    files = {f"p/{trick.replace('/', '')}/{i}.png": picture(i + 99 * n) for n, trick in enumerate(TRICKS) for i in range(6)}
    return zipped(files | {f"p/{trick.replace('/', '')}/broken.png": b"no picture" for trick in TRICKS})


def model_of(images: data.ImageSet, name: str = "") -> bytes:
    """A hostile checkpoint, trained on these images; `name` is what it says it was trained on."""
    if (images.digest, name) not in MADE:
        MADE[images.digest, name] = _model_of(images, name)
    return MADE[images.digest, name]


def _model_of(images: data.ImageSet, name: str) -> bytes:
    config = VAEConfig("mlp", image_shape=images.image_shape, latent_dim=3, hidden=8)
    state = train.start(config, images, train.TrainConfig(epochs=1))
    for _ in train.fit(state, images):
        pass
    weights, recipe = train.finish(state, images, " ".join(TRICKS)[:200], " ".join(TRICKS))
    if not name:
        return weights
    about = recipe.data.model_copy(update={"name": name, "classes": TRICKS})
    return checkpoint.to_bytes(state.model, recipe.model_copy(update={"data": about}))


def test_what_was_uploaded(hostile):
    assert check(hostile) >= 2, "the file's name, and the classes in the chart"


def test_a_zip_that_is_none(hostile):
    assert check(upload(hostile, b"nothing", f"{NAME}.zip"))


@pytest.mark.parametrize("model", ["own/own", "own/elsewhere"])
@pytest.mark.parametrize("page", ["home", "map", "explore", "train", "sweep", "restore", "autoencoders"])
def test_no_page_reads_more_than_words_in_a_model(hostile, page, model):
    hostile.session_state["checkpoint_wanted"] = model
    hostile.session_state["explore_image"] = 0
    hostile.session_state["explore_model"] = "own/own"
    hostile.session_state["sweep_models"] = ["own/own", "own/elsewhere"]
    at = hostile.switch_page(f"pages/{page}.py").run()
    said = check(at)
    assert said, "the sidebar says at least what the model was trained on"
    if page == "map":
        at.segmented_control(key="map_method").set_value("t-SNE").run() if model == "own/own" else None
        check(at)
    if page == "explore" and model == "own/own":
        for section in ("walk", "traversals", "grid"):
            at.session_state["explore_section"] = section
            check(at.run())
        at.session_state["explore_layers"] = "density"
        check(at.run())
    if page == "autoencoders":
        at.selectbox(key="ae_other").select_index(0).run()
        assert check(at) > said


@pytest.mark.parametrize("page", ["train", "sweep"])
def test_no_page_reads_more_than_words_in_a_run(hostile, jobs, weights, page):
    run = finished_run(weights)
    run.status, run.reason = FAILED, " ".join(TRICKS)
    run.about["classes"] = TRICKS[:10]
    run.request |= {"title": TRICKS[0], "data": TRICKS[1], "command": " ".join(TRICKS)}
    jobs.store.add(run)
    query = {"run": run.view_id} if page == "train" else {"runs": run.view_id}
    assert check(open_app(page, **query)) > 2


@pytest.mark.parametrize("page", ["train", "sweep"])
def test_a_refusal_is_text(hostile, page, monkeypatch):
    from latentscape.work.jobs import Jobs

    def full(*arguments, **named):
        raise BadInput(" ".join(TRICKS))

    monkeypatch.setattr(Jobs, "submit" if page == "train" else "submit_sweep", full)
    at = hostile.switch_page(f"pages/{page}.py").run()
    at.button(key=f"{page}_start").click().run()
    assert check(at)
    assert at.error


@given(st.text())
@settings(deadline=None)
def test_a_code_span_holds_all_of_its_words(words):
    said = in_markdown(words)
    fence = re.match("`+", said)[0]
    inside = said[len(fence) : -len(fence)]
    assert said == f"{fence}{inside}{fence}"
    assert fence not in re.findall("`+", inside)
    assert inside == f" {' '.join(words.split())} "


def test_a_chart_shows_words_as_they_are():
    points, labels = np.eye(2, dtype=np.float32), [0, 1]
    names = (TRICKS[1], TRICKS[8])
    for figure in (
        latent_map(points, labels, list(names), 2, None),
        projection_map(points, np.array(labels), names, ("x", "y"), {"recon": np.zeros(2)}),
        class_bars(dict.fromkeys(names, 1)),
        rate_distortion({names[0]: [(names[1], 1.0, 2.0)]}),
        maps_beside([(names[0], points, labels)], list(names)),
    ):
        check_chart(json.loads(figure.to_json()))
    assert in_chart("<b>&lt;</b>") == "&lt;b&gt;&amp;lt;&lt;/b&gt;"
