"""Your pictures, as somebody brings them, in a real Chromium: upload, report, training, and back to their own data."""

import io

import numpy as np
import pytest
from conftest import PATIENCE, new_context, wait_until
from PIL import Image
from playwright.sync_api import expect
from test_folder import picture, zipped
from test_journey_train import fill_epochs, wait_for_status

from vae_core import data

pytestmark = pytest.mark.browser
MAIN = "[data-testid=stMain]"
UPLOAD = f"{MAIN} [data-testid=stFileUploader] input[type=file]"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """A zip file of 420 coloured PNGs in a folder for each of three classes, and a page that somebody saved as one."""
    shapes, files = data.load("shapes"), {"toys/heart/broken.png": b"<html>"}
    for index, (image, label) in enumerate(zip(shapes.train_images[:420], shapes.train_labels, strict=False)):
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG")
        files[f"toys/{shapes.classes[label]}/{index}.png"] = file.getvalue()
    path = tmp_path_factory.mktemp("toys") / "toys.zip"
    path.write_bytes(zipped(files))
    return path


def open_data(page, server) -> None:
    page.goto(f"{server.url}/data")
    page.wait_for_selector(UPLOAD, state="attached")


def sideways(page) -> int:
    """How many pixels of the page are cut off."""
    return page.evaluate(
        "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollWidth - m.clientWidth }"
    )


def test_somebody_brings_pictures_trains_on_them_and_explores_them(page, server, toys, chromium):
    open_data(page, server)
    page.set_input_files(UPLOAD, toys)
    page.wait_for_selector(".st-key-data_train button")
    expect(page.locator(MAIN)).to_contain_text("420 pictures were read")
    expect(page.locator(MAIN)).to_contain_text("3 classes")
    page.wait_for_selector("[data-testid=stDataFrame]")
    page.wait_for_selector(".st-key-data_balance .js-plotly-plot")
    expect(page.get_by_alt_text("of the pictures as a model sees them")).to_have_count(1)
    wait_until(lambda: sideways(page) <= 0, PATIENCE, "nothing cut off")

    page.click(".st-key-data_train button")
    page.wait_for_selector(".st-key-train_start button")
    fill_epochs(page, 2)
    page.click(".st-key-train_start button")
    wait_for_status(page, "Done")
    expect(page.locator(".st-key-train_status")).to_contain_text("2 of 2 epochs")
    page.wait_for_selector(".st-key-train_map .js-plotly-plot")
    with page.expect_download() as download:
        page.click(".st-key-train_pictures button")
    assert download.value.suggested_filename == "toys-conv-32-d-pictures.zip"

    guest = new_context(chromium).new_page()
    open_data(guest, server)
    expect(guest.locator(MAIN)).not_to_contain_text("toys")
    guest.context.close()


def test_nothing_is_cut_off_on_a_telephone(page, server, toys):
    page.set_viewport_size({"width": 320, "height": 900})
    open_data(page, server)
    wait_until(lambda: sideways(page) <= 0, PATIENCE, "nothing cut off")
    page.set_input_files(UPLOAD, toys)
    page.wait_for_selector(".st-key-data_train button")
    page.wait_for_selector("[data-testid=stDataFrame]")
    wait_until(lambda: sideways(page) <= 0, PATIENCE, "nothing cut off")


def test_a_folder_is_uploaded_as_a_whole(page, server, tmp_path):
    for index in range(8):
        path = tmp_path / "leaves" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(index))
    open_data(page, server)
    page.get_by_text("A folder", exact=True).click()
    page.wait_for_selector("[data-testid=stMain] input[webkitdirectory]", state="attached")
    page.set_input_files("[data-testid=stMain] input[webkitdirectory]", tmp_path / "leaves")
    page.wait_for_selector(".st-key-data_train button")
    expect(page.locator(MAIN)).to_contain_text("8 pictures were read")
    expect(page.locator(MAIN)).to_contain_text("leaves")


def test_an_array_asks_what_is_black_and_white_and_shows_what_comes_out(page, server, tmp_path):
    mnist = data.load("mnist")
    np.savez(tmp_path / "digits.npz", images=mnist.train_images[:300, 0].numpy() / 255, labels=mnist.train_labels[:300].numpy())
    open_data(page, server)
    page.set_input_files(UPLOAD, tmp_path / "digits.npz")
    expect(page.locator(MAIN)).to_contain_text("float64 from 0 to 1. Which values are black and white?")
    expect(page.get_by_alt_text("8 of the pictures, if it is")).to_have_count(2)
    wait_until(lambda: sideways(page) <= 0, PATIENCE, "nothing cut off")
    page.get_by_role("combobox", name="Black to white").click()
    page.get_by_role("option", name="0 to 1", exact=True).click()
    page.wait_for_selector(".st-key-data_train button")
    expect(page.locator(MAIN)).to_contain_text("28 x 28 pixels, grey")
    expect(page.get_by_role("combobox", name="Black to white")).to_have_count(1)  # it went from the question to the settings
    expect(page.get_by_role("combobox", name="Black to white")).to_have_value("0 to 1")
    page.wait_for_selector(".st-key-data_balance .js-plotly-plot")
