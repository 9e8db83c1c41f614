"""The Restore page by AppTest: every source and damage gives repairs and scores; bad uploads are told in a sentence."""

import io

import numpy as np
import pytest
import torch
from conftest import ROOT, wait_until
from PIL import Image
from streamlit.testing.v1 import AppTest

from ui import computed, restore_curve, restore_view
from ui.analyses import DONE, FAILED, Analyses
from ui.canvas import shrunk
from ui.cluster import Cluster
from ui.restore_source import DAMAGES
from vae_core.corruption import KINDS, parse
from vae_core.data import load
from vae_core.errors import BadInput
from vae_core.inpainting import DENOISERS, METHODS, restore
from vae_core.scores import scores


@pytest.fixture(autouse=True)
def here(monkeypatch, no_cluster):
    """Analyses are computed in this process; no cluster is started."""

    def compute(self, analysis, task, arguments):
        try:
            analysis.result = task(lambda **content: None, lambda: False, *arguments)
            analysis.status = DONE
        except BadInput as error:
            analysis.reason, analysis.status = str(error), FAILED

    made = Analyses(Cluster())
    monkeypatch.setattr(Analyses, "_start", compute)
    monkeypatch.setattr(computed, "analyses", lambda: made)


@pytest.fixture
def page():
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    at.switch_page("pages/restore.py").run()
    assert not at.exception
    return at


def names(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["Method"])


def test_every_method_stands_in_the_table_best_first_with_its_score(page):
    assert sorted(names(page)) == sorted(restore_view.TITLES[method] for method in METHODS)
    table = page.dataframe[0].value.set_index("Method")["PSNR in holes, dB"]
    assert list(table) == sorted(table, reverse=True)
    truth = load("mnist").test_images[:1].float() / 255
    damaged, mask = parse("dropout:0.5")(truth, 0)
    expected = scores(restore("telea", damaged, mask), truth, mask).psnr_hole.item()
    assert table["Telea"] == pytest.approx(expected)


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_repaired_by_those_that_can(page, damage):
    page.selectbox(key="restore_damage").select(damage).run()
    assert not page.exception
    asked = METHODS if KINDS[damage].holes else DENOISERS
    assert sorted(names(page)) == sorted(restore_view.TITLES[method] for method in asked)
    assert ("PSNR in holes, dB" in page.dataframe[0].value) == KINDS[damage].holes


def test_no_damage_and_nothing_but_damage_are_shown(page):
    for rate in (0.0, 1.0):
        page.slider(key="restore_amount_dropout").set_value(rate).run()
        assert not page.exception
        assert len(names(page)) == len(METHODS)


def test_before_anything_is_painted_drawn_or_uploaded_the_page_stands(page):
    page.selectbox(key="restore_damage").select("painted").run()
    assert not page.exception
    assert set(page.dataframe[0].value["PSNR, dB"]) == {100.0}
    for source in ("Drawing", "Upload"):
        page.segmented_control(key="restore_source").set_value(source).run()
        assert not page.exception


def test_without_models_the_classic_methods_stay(monkeypatch, tmp_path):
    restore_view.models.clear()
    monkeypatch.setattr(restore_view.inpainting.load_models, "__defaults__", (METHODS, tmp_path))
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    at.switch_page("pages/restore.py").run()
    assert not at.exception
    assert sorted(names(at)) == ["Biharmonic", "Median", "Navier-Stokes", "Telea"]
    restore_view.models.clear()


def file_of(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def upload(page: AppTest, content: bytes) -> AppTest:
    page.segmented_control(key="restore_source").set_value("Upload").run()
    page.file_uploader(key="restore_upload").set_value(("mine.png", content, "image/png")).run()
    assert not page.exception
    return page


def test_an_upload_is_repaired_and_a_smooth_one_best_by_interpolation(page):
    slope = Image.fromarray(np.tile(np.linspace(60, 200, 280, dtype=np.uint8), (280, 1)))
    upload(page, file_of(slope))
    best = names(page)
    assert best[0] in ("Biharmonic", "Telea", "Navier-Stokes", "Median")
    assert best[-1] in ("DAE", "VAE prior", "Restorer")


@pytest.mark.parametrize("content", [b" ", b"<html>", file_of(Image.new("L", (40, 40)))[:50]], ids=["empty", "html", "cut"])
def test_what_is_no_picture_is_refused_in_a_sentence(page, content):
    assert [error.value for error in upload(page, content).error] == ["The picture was not opened."]


def test_the_curve_is_computed_on_request_with_a_band_for_every_method(page, monkeypatch):
    monkeypatch.setattr(restore_curve, "SAMPLE", 5)
    monkeypatch.setitem(restore_curve.AMOUNTS, "dropout", (0.2, 0.8))
    page.run().button(key="restore_curve_start").click().run()
    wait_until(lambda: all(not known.active for known in computed.analyses()._known.values()), 60, "the curve")
    page.run()
    assert not page.exception
    (found,) = computed.analyses()._known.values()
    assert [(p["amount"], p["method"]) for p in found.result["points"]] == [(a, m) for a in (0.2, 0.8) for m in METHODS]
    assert "mean of 5 test images" in "\n".join(caption.value for caption in page.caption)


def test_a_curve_that_failed_says_why_and_can_be_asked_for_again(page, monkeypatch):
    def fail(*arguments):
        raise BadInput("There is no room.")

    monkeypatch.setattr(restore_curve.analysis_worker, "damage_curve", fail)
    page.run().button(key="restore_curve_start").click().run()
    wait_until(lambda: all(not known.active for known in computed.analyses()._known.values()), 60, "the curve")
    page.run()
    assert [error.value for error in page.error] == ["There is no room."]
    assert page.button(key="restore_curve_start")


def test_a_canvas_is_averaged_down_to_the_pixels_of_the_models():
    pixels = np.zeros((280, 280, 4), np.uint8)
    pixels[50:60, 100:120, 3] = 255
    mask = shrunk(pixels, 3, 28) > 0.5
    assert mask.nonzero().tolist() == [[0, 0, 5, 10], [0, 0, 5, 11]]
    assert torch.equal(shrunk(None, 3, 28), torch.zeros(1, 1, 28, 28))


def test_the_latent_search_tells_its_progress_and_its_spread_has_a_picture(page, monkeypatch):
    shares = []
    real = restore_view.inpainting.posterior

    def spied(model, image, mask, progress):
        return real(model, image, mask, lambda share: (shares.append(share), progress(share)))

    monkeypatch.setattr(restore_view.inpainting, "posterior", spied)
    pictures = len(page.get("image"))
    page.slider(key="restore_amount_dropout").set_value(0.7).run()
    assert not page.exception
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert pictures == len(page.get("image")) == 2 + 2 * len(METHODS) + 1  # two given, repairs with their errors, the spread
