"""The Restore page by AppTest: every source and damage gives repairs and scores; bad uploads are told in a sentence."""

import io

import numpy as np
import pytest
import torch
from conftest import PATIENCE, ROOT, wait_until
from PIL import Image
from streamlit.testing.v1 import AppTest

from latentscape.ui import computed, picker
from latentscape.ui.canvas import shrunk
from latentscape.ui.restore import curve as restore_curve
from latentscape.ui.restore import source as restore_source
from latentscape.ui.restore import view as restore_view
from latentscape.ui.restore.source import DAMAGES, photograph
from latentscape.work.analyses import DONE, FAILED, Analyses
from latentscape.work.cluster import Cluster
from vae_core import checkpoint
from vae_core.corruption import KINDS, parse
from vae_core.data import load
from vae_core.errors import BadInput
from vae_core.inpainting import METHODS, asked_for, load_models, restore
from vae_core.models import FAMILIES
from vae_core.scores import Scores, scores


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


def open_page() -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE).run()
    at.switch_page("pages/restore.py").run()
    assert not at.exception
    return at


@pytest.fixture
def page():
    return open_page()


def names(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["Method"])


def test_every_method_stands_in_the_table_best_first_with_its_score(page):
    assert sorted(names(page)) == sorted(METHODS[method].title for method in METHODS)
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
    asked = asked_for(KINDS[damage].holes)
    assert sorted(names(page)) == sorted(METHODS[method].title for method in asked)
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
    assert [caption.value for caption in page.caption].count("nothing to fill") == len(METHODS)
    for source in ("Drawing", "Upload"):
        page.segmented_control(key="restore_source").set_value(source).run()
        assert not page.exception
        assert not page.dataframe
        assert "no picture yet" in page.info[0].value


def test_without_models_the_classic_methods_stay(monkeypatch, tmp_path):
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    at = open_page()
    assert sorted(names(at)) == ["Biharmonic", "Median", "Navier-Stokes", "Telea"]


# Models of the visitor's own.


def made(kind: str, side: int = 28) -> tuple[torch.nn.Module, bytes]:
    """An untrained model and its file: what it paints does not matter here."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = FAMILIES[kind].config(image_shape=(1, side, side), hidden=8).build().eval()
    recipe = checkpoint.make_recipe(model, kind, load("digits"), {}, "train", [], {})
    return model, checkpoint.to_bytes(model, recipe)


def bring(at: AppTest, **files: bytes) -> AppTest:
    """Open files in the sidebar, one after the other."""
    for name, content in files.items():
        at.file_uploader(key="checkpoint_upload").set_value((f"{name}.safetensors", content, "application/octet-stream")).run()
    assert not at.exception
    return at


def psnr(at: AppTest, method: str) -> float:
    return at.dataframe[0].value.set_index("Method").loc[method, "PSNR in holes, dB"]


@pytest.mark.parametrize("method", ["dae", "restorer", "vae"])
def test_a_model_of_the_visitors_own_takes_the_place_of_the_shipped_one(page, method):
    model, content = made(method)
    box = f"restore_model_{method}"
    assert page.selectbox(key=box).value == METHODS[method].ships
    bring(page, mine=content)
    assert page.selectbox(key=box).value == METHODS[method].ships  # until it is chosen
    page.selectbox(key=box).select("own/mine").run()
    assert not page.exception
    truth = load("mnist").test_images[:1].float() / 255
    damaged, mask = parse("dropout:0.5")(truth, 0)
    expected = scores(restore(method, damaged, mask, model), truth, mask).psnr_hole.item()
    assert psnr(page, METHODS[method].title) == pytest.approx(expected, abs=1e-3)
    assert f"{METHODS[method].title}: mine (yours)" in [text.value for text in page.text]


def test_a_model_is_offered_only_for_what_it_is_and_what_it_reads(page):
    bring(page, denoiser=made("dae")[1], small=made("dae", 8)[1], plain=made("ae")[1], unet=made("restorer")[1])
    options = {method: page.selectbox(key=f"restore_model_{method}").options for method in METHODS if METHODS[method].ships}
    assert options["dae"] == ["mnist-dae-500", "denoiser (yours)"]
    assert options["restorer"] == ["mnist-restorer", "unet (yours)"]
    assert "shapes-conv" not in options["vae"]
    assert "mnist-2d" in options["vae"]


def test_a_restorer_opened_in_the_sidebar_is_said_to_be_found_here(page):
    bring(page, mine=made("restorer")[1])
    assert [note.value for note in page.success] == ["mine has no code to explore: choose it on Restore."]


def test_models_and_pictures_are_their_visitors_alone(page):
    bring(page, mine=made("dae")[1])
    upload(page, file_of(SLOPE))
    assert page.dataframe
    other = open_page()
    assert other.selectbox(key="restore_model_dae").options == ["mnist-dae-500"]
    other.segmented_control(key="restore_source").set_value("Upload").run()
    assert not other.dataframe
    assert other.file_uploader(key="restore_upload").value is None


def test_a_kept_file_that_is_damaged_is_told_and_the_other_methods_stay(monkeypatch, tmp_path):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    monkeypatch.setattr(picker, "KEPT", tmp_path)
    content = made("dae")[1]
    checkpoint.save(tmp_path, "mine", content, checkpoint.open_bytes(content, "mine").recipe)
    (tmp_path / "mine.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    at = open_page()
    at.selectbox(key="restore_model_dae").select("kept/mine").run()
    assert not at.exception
    assert [error.value for error in at.error] == ["This model was not opened."]
    assert "DAE" not in names(at)
    assert "Restorer" in names(at)


def file_of(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def upload(page: AppTest, content: bytes) -> AppTest:
    page.segmented_control(key="restore_source").set_value("Upload").run()
    page.file_uploader(key="restore_upload").set_value(("mine.png", content, "image/png")).run()
    assert not page.exception
    return page


SLOPE = Image.fromarray(np.tile(np.linspace(60, 200, 280, dtype=np.uint8), (280, 1)))


def test_an_upload_is_repaired_and_a_smooth_one_best_by_interpolation(page):
    upload(page, file_of(SLOPE))
    best = names(page)
    assert best[0] in ("Biharmonic", "Telea", "Navier-Stokes", "Median")
    assert best[-1] in ("DAE", "VAE prior", "Restorer")


CLASSIC = ("telea", "navier-stokes", "biharmonic", "median")


@pytest.mark.parametrize("damage", ["dropout:0.1", "dropout:0.5", "block:10", "stroke", "half"])
def test_on_a_photograph_every_classic_method_beats_every_model_as_the_page_says(damage):
    tiles, models = photograph().float() / 255, load_models()
    damaged, mask = parse(damage)(tiles, 0)
    means = {m: scores(restore(m, damaged, mask, models.get(m)), tiles, mask).psnr_hole.mean() for m in METHODS}
    assert min(means[m] for m in CLASSIC) > max(means[m] for m in METHODS if METHODS[m].ships)


def test_on_digits_the_restorer_wins_and_the_denoiser_stays_behind_the_biharmonic_equation_as_the_page_says():
    truth, models = load("mnist").test_images[:60].float() / 255, load_models()
    for rate in (0.1, 0.5, 0.9):
        damaged, mask = parse(f"dropout:{rate}")(truth, 0)
        means = {
            m: scores(restore(m, damaged, mask, models.get(m)), truth, mask).psnr_hole.mean()
            for m in ("biharmonic", "dae", "restorer")
        }
        assert means["dae"] < means["biharmonic"] < means["restorer"]


def test_a_tile_of_the_photograph_is_shown_and_repaired(page):
    page.segmented_control(key="restore_source").set_value("Photo").run()
    page.number_input(key="restore_tile").set_value(0).run()
    assert not page.exception
    truth = photograph()[:1].float() / 255
    damaged, mask = parse("dropout:0.5")(truth, 0)
    assert psnr(page, "Telea") == pytest.approx(scores(restore("telea", damaged, mask), truth, mask).psnr_hole.item())


@pytest.mark.parametrize("shape", [(100, 300), (300, 100), (1, 5000), (60, 60), (101, 300)])
def test_the_middle_of_an_upload_is_taken_so_that_there_are_no_margins(shape):
    picture = np.zeros((*shape, 3), np.uint8)
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    picture[top : top + side, left : left + side] = 200
    taken = restore_source.middle(picture)
    assert taken.shape == (side, side, 3)
    assert (taken == 200).all()


@pytest.mark.parametrize("content", [b" ", b"<html>", file_of(Image.new("L", (40, 40)))[:50]], ids=["empty", "html", "cut"])
def test_what_is_no_picture_is_refused_in_a_sentence(page, content):
    assert [error.value for error in upload(page, content).error] == ["The picture was not opened."]


def test_the_curve_is_computed_on_request_with_a_band_for_every_method(page, monkeypatch):
    monkeypatch.setattr(restore_curve, "SAMPLE", 5)
    monkeypatch.setitem(restore_curve.AMOUNTS, "dropout", (0.2, 0.8))
    page.run().button(key="restore_curve_start").click().run()
    wait_until(lambda: all(not known.active for known in computed.analyses()._known.values()), PATIENCE, "the curve")
    page.run()
    assert not page.exception
    (found,) = computed.analyses()._known.values()
    assert [(p["amount"], p["method"]) for p in found.result["points"]] == [(a, m) for a in (0.2, 0.8) for m in METHODS]
    truth = load("mnist").test_images[:5].float() / 255  # no model was trained on these
    damaged, mask = parse("dropout:0.2")(truth, 0)
    expected = scores(restore("telea", damaged, mask), truth, mask).psnr_hole.mean().item()
    assert found.result["points"][0]["psnr"] == pytest.approx(expected)
    assert "mean of 5 test images" in "\n".join(caption.value for caption in page.caption)


def test_a_curve_that_failed_says_why_and_can_be_asked_for_again(page, monkeypatch):
    def fail(*arguments):
        raise BadInput("There is no room.")

    monkeypatch.setattr(restore_curve.analysis_worker, "damage_curve", fail)
    page.run().button(key="restore_curve_start").click().run()
    wait_until(lambda: all(not known.active for known in computed.analyses()._known.values()), PATIENCE, "the curve")
    page.run()
    assert [error.value for error in page.error] == ["It was not computed."]
    assert "There is no room." in [text.value for text in page.text]
    assert page.button(key="restore_curve_start")


def test_the_curve_is_of_the_models_that_are_chosen(page, monkeypatch):
    monkeypatch.setattr(restore_curve, "SAMPLE", 5)
    monkeypatch.setitem(restore_curve.AMOUNTS, "dropout", (0.5,))
    curves = []
    for chosen in (METHODS["dae"].ships, "own/mine"):
        if chosen == "own/mine":
            bring(page, mine=made("dae")[1])
        page.selectbox(key="restore_model_dae").select(chosen).run()
        page.button(key="restore_curve_start").click().run()
        wait_until(lambda: all(not known.active for known in computed.analyses()._known.values()), PATIENCE, "the curve")
        found = list(computed.analyses()._known.values())[-1].result["points"]
        curves.append({point["method"]: point["psnr"] for point in found})
    assert {method for method in METHODS if curves[0][method] != curves[1][method]} == {"dae"}


@pytest.mark.parametrize("brush", [1, 2])
def test_the_thinnest_brush_leaves_a_line_wherever_it_lies(brush):
    for offset in range(10):
        pixels = np.zeros((280, 280, 4), np.uint8)
        pixels[:, 100 + offset : 100 + offset + 10 * brush, 3] = 255
        widths = (shrunk(pixels, 3, 28) > restore_source.COVERED)[0, 0].sum(1)
        assert brush <= widths.min() <= widths.max() <= brush + 1


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


def scored(**psnr: float) -> dict[str, Scores]:
    """Scores of one picture by method, of which only the PSNR counts."""
    return {name.replace("_", "-"): Scores(*[torch.tensor([value])] * 5) for name, value in psnr.items()}


def test_what_is_said_of_one_picture_is_what_its_numbers_say():
    said = restore_view.verdict(scored(telea=15.0, biharmonic=19.2, dae=21.8, median=12.5), holes=True)
    assert "DAE (21.8 dB) comes closest, Median (12.5 dB) is farthest" in said
    assert "DAE, is 2.6 dB ahead of the best of those that have not, Biharmonic" in said
    said = restore_view.verdict(scored(biharmonic=19.2, dae=18.0), holes=False)
    assert "Biharmonic (19.2 dB) comes closest" in said
    assert "DAE, is 1.2 dB behind the best of those that have not, Biharmonic" in said
    assert "learned digits" not in restore_view.verdict(scored(telea=15.0, median=12.5), holes=True)
    assert restore_view.verdict(scored(telea=float("nan"), median=float("nan")), holes=True) == ""


def test_the_page_says_which_method_comes_closest_in_its_own_table(page):
    table = page.dataframe[0].value
    (said,) = [text.value for text in page.markdown if text.value.startswith("**On this picture**")]
    assert f"{table['Method'].iloc[0]} ({table['PSNR in holes, dB'].iloc[0]:.1f} dB) comes closest" in said


def test_what_was_painted_over_one_source_of_pictures_does_not_damage_another(page, monkeypatch):
    """A canvas that another source's picture lies under begins empty; so does its mask."""
    asked = []
    monkeypatch.setattr(restore_source, "canvas", lambda key, side, **options: asked.append(key))
    page.selectbox(key="restore_damage").select(restore_source.PAINTED).run()
    for where in restore_source.SOURCES[2:]:
        page.segmented_control(key="restore_source").set_value(where).run()
        assert not page.exception
    assert len(set(asked)) == 3
