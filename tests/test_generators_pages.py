"""Models that draw pictures and read none, on every page by AppTest: what they have is shown, nothing asks for a code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from explore_page import open_explore, place, sent_to_the_pad, show, spoken
from test_pages import charts, finished_run, look_at, open_app, texts

from latentscape.ui import picker
from latentscape.ui.codes import codes_of, known_codes
from latentscape.ui.explore.pads import WITHOUT_CODES
from latentscape.ui.train.view import replay_zip
from latentscape.work.analyses import Analyses
from latentscape.work.runs import DONE, RUNNING, STOPPED
from vae_core import checkpoint, data
from vae_core.errors import BadInput
from vae_core.latent import prior_draws
from vae_core.models import FAMILIES

KINDS = [name for name, family in FAMILIES.items() if family.decodes and not family.encodes]
kinds = pytest.mark.parametrize("kind", KINDS)
pytestmark = pytest.mark.usefixtures("no_cluster")


@pytest.fixture(autouse=True)
def _kept(monkeypatch, tmp_path):
    """An untrained one of each kind is kept on this machine."""
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    monkeypatch.setattr(picker, "KEPT", tmp_path)
    monkeypatch.setattr(Analyses, "warm_up", lambda self, task: None)
    monkeypatch.setattr(Analyses, "_start", lambda *_: None)
    for kind in KINDS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = FAMILIES[kind].config(image_shape=(1, 8, 8), hidden=8, latent_dim=12).build().eval()
        recipe = checkpoint.make_recipe(model, kind, data.load("digits"), {}, "train", [], {"test_loss": 1.25})
        checkpoint.save(tmp_path, kind, checkpoint.to_bytes(model, recipe), recipe)


def kept(kind: str) -> checkpoint.Checkpoint:
    return checkpoint.open_file(picker.KEPT / kind)


@kinds
def test_explore_opens_at_a_draw_and_asks_for_no_image(monkeypatch, kind):
    sent = sent_to_the_pad(monkeypatch)
    at = open_explore(f"kept/{kind}")
    assert place(at).z == pytest.approx(prior_draws(1, 12, seed=1)[0].tolist(), abs=1e-6)
    assert at.segmented_control(key="explore_section").options == ["Traversals", "Grid"]
    assert at.segmented_control(key="explore_layers").options == list(WITHOUT_CODES.values())
    assert at.segmented_control(key="explore_plane").options == ["Two dimensions"]
    assert (sent[-1]["prior"], sent[-1]["missing"], sent[-1]["encoded"], sent[-1]["posterior"]) == (True, None, None, None)
    assert not at.info
    assert "nats" not in spoken(at)
    at.number_input(key="explore_z3").set_value(1.5).run()
    assert place(at).z[2] == 1.5
    for section in ("traversals", "grid"):
        at.session_state["explore_section"] = section
        assert not at.run().exception
    at.segmented_control(key="explore_layers").set_value("magnification").run()
    assert not at.exception


@kinds
def test_it_stands_beside_a_model_with_codes_in_either_order(kind):
    at = open_explore(f"kept/{kind}", beside="mnist-2d")
    assert not at.exception
    at = open_explore("mnist-2d", beside=f"kept/{kind}", image="7")
    assert "draws pictures and encodes none: the chosen image is not on its plane" in spoken(at)


@kinds
def test_what_another_model_showed_is_no_harm(kind):
    """A test image, a walk, a layer of codes: the next model has none of them."""
    at = open_explore("mnist-2d", image="7", show="density", section="walk")
    at.selectbox(key="checkpoint").select(f"kept/{kind}").run()
    assert not at.exception
    assert at.segmented_control(key="explore_layers").value == "both"
    at.selectbox(key="checkpoint").select("mnist-2d").run()
    assert not at.exception
    show(at, "Your own digit")


@kinds
def test_pages_that_need_codes_do_not_offer_it_and_its_codes_are_refused(kind):
    model = kept(kind)
    assert known_codes(model) is None
    with pytest.raises(BadInput, match="encodes none"):
        codes_of(model)
    at = open_explore(f"kept/{kind}")
    at.switch_page("pages/map.py").run()
    assert not at.exception
    assert f"kept/{kind}" not in at.selectbox(key="checkpoint").options
    assert not any(kind in option for option in at.selectbox(key="checkpoint").options)
    assert "encodes none; here another one is shown" in texts(at)
    for page in ("sweep", "autoencoders", "restore"):
        assert not any(f"{kind} (kept)" in option for box in open_app(page).main.selectbox for option in box.options)


@kinds
def test_home_shows_its_pad(kind):
    at = open_app()
    at.selectbox(key="checkpoint").select(f"kept/{kind}").run()
    assert not at.exception
    assert "A plane through the 12-dimensional latent space" in texts(at)


def a_run(kind: str, weights: bytes):
    """A run of this kind as it looks when it is over."""
    run, family = finished_run(weights), FAMILIES[kind]
    run.request["kind"] = kind
    run.curve = [[at, 2.0, *([1.0] * len(family.measured))] for at in (0.5, 1.5, 2.5)]
    told = {f"{part}_{term.name}": 0.5 for part in ("train", "test") for term in family.terms}
    run.epochs = [{"epoch": number} | told for number in (1, 2, 3)]
    nothing = {"points": np.zeros((0, 2), np.float32), "reconstructions": np.zeros((0, 1, 8, 8), np.uint8)}
    run.frames = [replace(frame, **nothing) for frame in run.frames]
    run.live = run.frames[-1]
    return run


@kinds
def test_train_shows_samples_and_curves_and_neither_map_nor_reconstructions(jobs, weights, kind):
    run, family = a_run(kind, weights), FAMILIES[kind]
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    for term in family.terms:
        assert f"**{0.5:.{term.digits}f}**" in next(line for line in texts(at).split("\n") if term.title in line)
    assert "**Samples**" in texts(at)
    assert "Latent map" not in texts(at)
    assert "reconstruction" not in texts(at)
    look_at(at, 1)
    run.status = RUNNING
    assert not at.run().exception
    assert replay_zip(run)


def judged_run(kind: str, weights: bytes):
    """A run whose draws lose classes: ten are found after an epoch, two after the last one. Its scores come together."""
    run, family = a_run(kind, weights), FAMILIES[kind]
    rows = len(family.scores.kinds) if family.scores else 0
    apart = np.linspace(1, 2, 50, dtype=np.float32) * np.array([[1], [30], [8]], np.float32)[:rows]
    counts = [[], [50] * 10, [100] * 4 + [20] * 5 + [0], [495, 5, *[0] * 8]]
    run.frames = [
        replace(frame, found=np.array(own, np.int64), scores=apart * 0 + 1 if index == 3 else apart)
        for index, (frame, own) in enumerate(zip(run.frames, counts, strict=True))
    ]
    run.live = run.frames[-1]
    return run


def test_a_replay_shows_the_classes_of_its_moment_and_names_those_of_the_last_judged_one(jobs, weights):
    run = judged_run("gan", weights)
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    assert "**Classes found**: 2 of 10 in 500 draws, after 3 epochs" in texts(at)
    look_at(at, 1)
    assert "**Classes found**: 10 of 10 in 500 draws, after 1 epoch" in texts(at)
    look_at(at, 0)
    assert "Classes found" not in texts(at)  # of this moment no judge has seen anything
    run.status = RUNNING
    at.session_state["train_moment"] = None
    run.live = replace(run.live, epoch=3.4, found=np.zeros(0, np.int64))
    assert "2 of 10 in 500 draws, after 3 epochs" in texts(at.run())


def test_without_a_judge_no_classes_are_shown_and_the_help_says_why(jobs, weights):
    run = a_run("gan", weights)
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    assert "Classes found" not in texts(at)
    assert any("where a classifier of the data ships" in line.help for line in at.main.markdown if "Samples" in line.value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if FAMILIES[kind].scores])
def test_scores_of_single_pictures_are_those_of_the_moment(jobs, weights, kind):
    run, scores = judged_run(kind, weights), FAMILIES[kind].scores
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    line = lambda: next(line for line in texts(at).split("\n") if scores.title in line)  # noqa: E731
    assert "drawn 50%" in line()
    assert ("merged" in line()) == ("merged" in scores.kinds)
    look_at(at, 1)
    assert f"drawn {0 if scores.real_is_high else 1:.0%}" in line()
    drawn = charts(at)
    names = [[trace.get("name") for trace in chart["data"]] for chart in drawn]
    assert list(scores.kinds) in names
    level = scores.at(FAMILIES[kind].config())
    shown = drawn[names.index(list(scores.kinds))]["layout"]["shapes"][0]["x0"]
    assert shown == pytest.approx(np.log10(level) if scores.is_log else level)


@kinds
def test_it_is_compared_with_another_training(jobs, weights, kind):
    run, other = a_run(kind, weights), finished_run(weights)
    for each in (run, other):
        jobs.store.add(each)
    at = open_app("train", run=run.view_id, beside=other.view_id)
    assert not at.exception
    assert "Samples: the same draws from the prior" in texts(at)


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_form_of_a_family_stands_beside_a_run_of_it(jobs, weights, kind):
    """No field of the form has the key of a part of the page."""
    run = a_run(kind, weights)
    jobs.store.add(run)
    at = open_app("train", run=run.view_id, kind=kind)
    assert at.selectbox(key="train_kind").value == kind
    for status in (RUNNING, STOPPED, DONE):
        run.status = status
        assert not at.run().exception
