"""Pixels: which model draws, what is said where there is none, and what the address says."""

import shutil

import pytest
import torch
from test_pages import open_app, texts

from latent_pad.pixel_desk import _field
from latentscape.ui import picker
from latentscape.ui.pixels.models import KEY
from vae_core import checkpoint
from vae_core.models.fvsbn import FVSBNConfig


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty folder where models are kept; none that ships paints."""
    monkeypatch.setattr(picker, "KEPT", tmp_path)
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    return tmp_path


def test_where_no_model_paints_the_page_leads_to_train(kept):
    at = open_app("pixels")
    assert "no model here that draws pixel by pixel" in texts(at)
    assert not any(box.key == KEY for box in at.selectbox)


def test_a_damaged_file_is_refused(kept):
    (kept / "broken.json").write_text('{"kind": "fvsbn"}')
    (kept / "broken.safetensors").write_bytes(b"nothing")
    at = open_app("pixels")
    assert any("was not opened" in error.value for error in at.error)


def test_what_a_pixel_looks_at_lies_before_it():
    torch.manual_seed(0)
    model = FVSBNConfig(image_shape=(1, 4, 5)).build()
    torch.nn.init.normal_(model.regressions.weight)
    opened = checkpoint.Checkpoint("fvsbn", model, None, "fvsbn", half=False)
    field = _field(opened, {"asked": {"number": 1, "pixel": 7, "image": [0.0] * 20}})
    assert field["pixel"] == 7
    assert max(field["values"]) == 1
    assert all(value > 0 for value in field["values"][:7])
    assert not any(field["values"][7:])
    for wrong in ({"pixel": 20, "image": [0.0] * 20}, {"pixel": 7, "image": [0.0]}, {"pixel": "7"}, None):
        assert _field(opened, {"asked": wrong}) is None


def test_what_train_hands_over_is_chosen(kept, monkeypatch):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")  # where others share the server nothing is kept on its disk
    for name in "ab":
        for ending in ("json", "safetensors"):
            shutil.copy(checkpoint.SHIPPED / f"mnist-fvsbn.{ending}", kept / f"{name}.{ending}")
    at = open_app()
    at.session_state[f"{KEY}_fvsbn"] = "kept/b"
    at.switch_page("pages/pixels.py").run()
    assert not at.exception
    assert at.selectbox(key=KEY).value == "kept/b"
