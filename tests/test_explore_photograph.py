"""A photograph uploaded on Explore: a digit to models of digits, shown beside what they get; a picture to all others."""

import io
from typing import NamedTuple

import numpy as np
import pytest
import torch
from explore_page import open_explore, show, spoken
from PIL import Image
from test_photographed import SQUARED, one, photograph

from vae_core import photographed, picture

pytestmark = pytest.mark.usefixtures("no_cluster")


class Uploaded(NamedTuple):
    page: object
    captions: list[str]  # of the pictures


def upload(model: str, shot: np.ndarray, section: str = "Your own digit") -> Uploaded:
    file = io.BytesIO()
    Image.fromarray(shot).save(file, "PNG")
    at = show(open_explore(model), section)
    at.file_uploader(key="explore_upload").set_value(("shot.png", file.getvalue(), "image/png")).run()
    assert not at.exception
    return Uploaded(at, [image.caption for pictures in at.get("image") for image in pictures.proto.imgs])


@pytest.mark.parametrize("name", ["mnist-2d", "mnist-ae-30"])
def test_the_stroke_is_encoded_and_shown_beside_the_photograph(name):
    shot = photograph(one(1), "left", lines=SQUARED)
    page, captions = upload(name, shot)
    assert captions == ["Your picture", "What the model sees", "Its reconstruction"]
    mine = page.session_state["explore_own"]["made"][1]
    assert torch.equal(mine.image, picture.like_mnist(photographed.drawing(shot)))
    assert "Of a photograph only the stroke counts" in spoken(page)


def test_a_clean_upload_is_encoded_as_it_was():
    digit = np.repeat(one(7)[..., None], 3, 2)
    page, _ = upload("mnist-2d", digit)
    assert torch.equal(page.session_state["explore_own"]["made"][1].image, picture.like_mnist(digit))


@pytest.mark.parametrize("name", ["fashion-2d", "shapes-2d"])
def test_to_a_model_of_other_things_it_is_a_picture(monkeypatch, name):
    def never(shot):
        raise AssertionError("no digit")

    monkeypatch.setattr(photographed, "drawing", never)
    page, captions = upload(name, photograph(one(1), "left"), "Your own picture")
    assert captions[0] == "Your picture"
    assert "photograph" not in spoken(page)


def test_empty_paper_is_one_sentence():
    page, captions = upload("mnist-2d", photograph(None, "corners", lines=SQUARED))
    assert len(page.warning) == 1
    assert picture.BLANK in [text.value for text in page.text]
    assert not captions
