"""Your pictures by AppTest: what comes in, what is said of it, whose it is, and what the other pages make of it."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, ROOT
from streamlit.testing.v1 import AppTest
from test_arrays import npy, npz, pixel_names, table
from test_folder import picture, zipped
from test_pages import texts

from latentscape.ui import own, picker, shell
from latentscape.ui.data import view as data_view
from latentscape.ui.presets import BATCH, epochs_for
from latentscape.work.belongings import Pictures, Question, Upload
from latentscape.work.store import Store
from vae_core import checkpoint, train
from vae_core.array_file import read_arrays
from vae_core.data import load
from vae_core.models.vae import VAEConfig
from vae_core.train_cli import _parser


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """A store of the test's own."""
    made = Store(connected=lambda session: True)
    monkeypatch.setattr(Store, "_watch_over", lambda self: None)
    for user in (own, data_view, shell):
        monkeypatch.setattr(user, "store", lambda: made)
    return made


def pets(count: int = 12, **more: bytes) -> bytes:
    """A zip file of coloured pictures in two classes, names made to be harmful."""
    files = {f"pets/{kind}/{i}.png": picture(i + 500 * (kind == "dog")) for kind in ("![x](y)", "dog") for i in range(count)}
    return zipped(files | {name.replace("_", "."): raw for name, raw in more.items()})


def open_data() -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.run()
    at.switch_page("pages/data.py").run()
    assert not at.exception
    return at


def upload(at: AppTest, raw: bytes, name: str = "pets.zip") -> AppTest:
    (uploader,) = [element for element in at.file_uploader if element.key.startswith("data_files")]
    uploader.set_value((name, raw, "application/zip")).run()
    assert not at.exception
    return at


def metrics(at: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in at.metric}


def test_the_page_says_what_to_bring_and_that_it_stays_private(jobs):
    at = open_data()
    assert len(at.title) == 1
    assert "a folder for each class" in texts(at)
    assert "no other visitor sees them" in texts(at)


def test_an_upload_is_reported_and_streamlit_keeps_no_copy(jobs, store):
    raw = pets(x_png=b"<html>", z_png=b"", copy_png=picture(3))
    at = upload(open_data(), raw)
    assert metrics(at) == {"Pictures": "24", "To train on": "20", "To test on": "4", "Classes": "2"}
    said = texts(at)
    assert "2 classes, 12 each" in said
    assert "1 left out as exact copies" in said
    assert "32 x 32 pixels now, in colour" in said
    assert "by heart" in at.warning[0].value
    table = at.dataframe[0].value
    assert table["files"].tolist() == [1, 1]
    assert all("no intact picture" in why for why in table["why"])
    mine = next(held for held in store._held.values() if isinstance(held, Pictures))
    assert mine.images.classes == ("![x](y)", "dog")
    assert "![x](y)" not in "".join(m.value for m in at.markdown)
    assert not [element.value for element in at.file_uploader if element.value]
    assert store.of(mine.owner, "s", Upload)[0].raw == raw


def test_other_settings_read_the_same_file_in_another_way(jobs, store):
    at = upload(open_data(), pets())
    at.segmented_control(key="data_size").set_value(64).run()
    assert "64 x 64 pixels now" in texts(at)
    at.segmented_control(key="data_fit").set_value("letterbox").run()
    at.number_input(key="data_seed").set_value(5).run()
    assert not at.exception
    owner = at.session_state["visitor"]
    sets = store.of(owner, "s", Pictures)
    assert [each.settings[:3] for each in sets] == [(64, "crop", 0), (64, "letterbox", 0), (64, "letterbox", 5)]
    assert sets[-1].title == "Yours: pets, 64 x 64, letter-boxed, split 5"
    store.remove(store.of(owner, "s", Upload)[0])
    at.number_input(key="data_seed").set_value(6).run()
    assert "The zip file is no longer here" in texts(at)


def boxes(at: AppTest) -> dict[str, object]:
    """What the folders leave open, by label."""
    return {box.label: box for box in at.selectbox if box.key.startswith("data_")}


def sides(pattern: str, outer: tuple[str, ...], each: int = 6) -> bytes:
    """A zip of two classes in folders of these names."""
    places = [(side, kind, i) for side in outer for kind in ("cat", "![dog](x)") for i in range(each)]
    return zipped({pattern.format(side=side, kind=kind, i=i): picture(at) for at, (side, kind, i) in enumerate(places)})


def test_a_split_of_their_own_is_offered_and_the_seeded_one_is_the_default(jobs, store):
    at = upload(open_data(), sides("pets/{side}/{kind}/{i}.png", ("Train", "val", "TEST")))
    assert metrics(at) == {"Pictures": "36", "To train on": "30", "To test on": "6", "Classes": "2"}
    assert list(boxes(at)) == ["Split"]
    assert boxes(at)["Split"].value == "seeded"
    boxes(at)["Split"].set_value("own").run()
    assert not at.exception
    assert metrics(at)["To test on"] == "12"
    assert any("12 of TEST to test on" in text.value for text in at.text)
    sets = store.of(at.session_state["visitor"], "s", Pictures)
    assert [each.settings.split for each in sets] == ["seeded", "own"]
    assert sets[-1].title == "Yours: pets, 32 x 32, own split"
    at.button(key="data_train").click().run()
    at.switch_page("pages/train.py").run()
    at.button(key="train_start").click().run()
    assert "--split own" in jobs.store.all()[0].request["command"]
    assert "--class-level" not in jobs.store.all()[0].request["command"]
    upload(at.switch_page("pages/data.py").run(), pets())  # another file starts anew
    assert not boxes(at)
    assert metrics(at)["To test on"] == "4"


def test_sizes_and_numbers_ask_which_level_names_the_classes(jobs, store):
    at = upload(open_data(), sides("icons/{side}/{kind}/{i}.png", ("32x32", "64x64")))
    assert at.info[0].value.startswith("Some folders look like sizes or numbers")
    box = boxes(at)["Classes are named by"]
    assert box.options == ["![dog](x), cat", "no folders: no classes", "32x32, 64x64"]
    assert not any("![dog]" in element.value for element in [*at.markdown, *at.caption, *at.info])
    box.set_value(1).run()
    assert not at.exception
    assert not at.info
    (*_, last) = store.of(at.session_state["visitor"], "s", Pictures)
    assert (last.images.classes, last.settings.level) == (("32x32", "64x64"), 1)
    boxes(at)["Classes are named by"].set_value(0).run()
    assert metrics(at)["Classes"] == "none"
    boxes(at)["Classes are named by"].set_value(None).run()
    assert metrics(at)["Classes"] == "2"
    assert len(store.of(at.session_state["visitor"], "s", Pictures)) == 3  # the first is there still


def test_digits_in_folders_are_classes_and_nobody_is_asked(jobs):
    at = upload(open_data(), zipped({f"mnist/{i % 10}/{i}.png": picture(i) for i in range(40)}))
    assert metrics(at)["Classes"] == "10"
    assert not boxes(at)
    assert not at.info


def test_what_is_wrong_with_the_set_is_a_warning(jobs):
    at = upload(open_data(), zipped({f"{i}.png": picture(0, comment=f"{i}".encode()) + bytes([i]) for i in range(9)}))
    assert "all alike" in at.warning[0].value
    assert "by heart" in at.warning[1].value


BAD = {
    "no zip file": b"MZ this is a program",
    "no pictures": zipped({"readme.txt": b"hello"}),
    "empty": zipped({}),
    "too few": zipped({"a.png": picture(1)}),
    "cut off": pets()[:-300],
    "a bomb": zipped({f"{i}.png": bytes(2**20) for i in range(20)}, 8),
    "many entries": zipped({f"{i}": b"" for i in range(41_000)}),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_upload_is_one_sentence_that_names_it_and_nothing_is_lost(jobs, store, what):
    at = upload(open_data(), pets())
    upload(at, BAD[what], "<b>bad.zip")
    assert at.error[0].value == "The pictures were not read."
    (sentence,) = [text.value for text in at.text if "<b>bad.zip" in text.value]
    assert sentence.endswith(".")
    assert "Traceback" not in sentence
    assert metrics(at)["Pictures"] == "24"  # those that were there
    assert [upload.name for upload in store.of(at.session_state["visitor"], "s", Upload)] == ["pets.zip"]
    upload(at, pets(14))
    assert not at.error
    assert metrics(at)["Pictures"] == "28"
    assert len(store.of(at.session_state["visitor"], "s", Upload)) == 1


def test_a_full_server_is_told(jobs, store, monkeypatch):
    monkeypatch.setattr(store, "most", 1000)
    at = upload(open_data(), pets())
    assert "pets.zip does not fit beside it; try again later" in texts(at)
    assert store.size() == 0


def test_a_folder_is_read_too_and_a_large_one_refused(jobs, store, monkeypatch):
    at = open_data()
    at.segmented_control(key="data_form").set_value(data_view.FOLDER).run()
    (uploader,) = [element for element in at.file_uploader if element.key.startswith("data_files")]
    files = [(f"pets/{kind}/{i}.png", picture(i), "image/png") for i in range(6) for kind in "ab"[i % 2]]
    uploader.set_value(files).run()
    assert not at.exception
    assert metrics(at)["Pictures"] == "6"
    assert metrics(at)["Classes"] == "2"
    (uploader,) = [element for element in at.file_uploader if element.key.startswith("data_files")]
    uploader.set_value([(name.replace("pets", "pets.npz"), *rest) for name, *rest in files]).run()
    assert metrics(at)["Pictures"] == "6"
    assert not at.error
    monkeypatch.setattr(data_view, "MAX_FOLDER", 3)
    (uploader,) = [element for element in at.file_uploader if element.key.startswith("data_files")]
    uploader.set_value(files).run()
    assert "pets holds 6 files, more than 3; make a zip file of it." in texts(at)


def test_many_classes_and_many_reasons_are_bounded(jobs, monkeypatch):
    monkeypatch.setattr(data_view, "MOST_BARS", 3)
    monkeypatch.setattr(data_view, "MOST_REASONS", 1)
    at = upload(
        open_data(), zipped({f"class {i}/{i}.png": picture(i) for i in range(30)} | {"a/x": b"\0x", "a/y": bytes(11 << 20)})
    )
    assert "The largest 3 of 30 classes" in texts(at)
    assert len(at.dataframe[0].value) == 1
    assert "1 more, for 1 other reasons" in texts(at)


def test_another_visitor_sees_nothing_and_remove_removes(jobs, store):
    at = upload(open_data(), pets())
    other = open_data()
    assert not other.metric
    other.switch_page("pages/train.py").run()
    assert not [option for option in other.selectbox(key="train_data").options if "Yours" in option]
    at.button(key="data_remove").click().run()
    assert not at.metric
    assert store.size(at.session_state["visitor"]) == 0


def test_train_offers_them_and_the_request_is_made_of_them(jobs, store):
    at = upload(open_data(), pets(150))
    at.button(key="data_train").click().run()
    assert not at.exception
    at.switch_page("pages/train.py").run()  # this harness does not follow the button
    assert at.title[0].value == "Train a model"
    assert "Yours: pets, 32 x 32" in at.selectbox(key="train_data").options
    (mine,) = store.of(at.session_state["visitor"], "s", Pictures)
    assert at.selectbox(key="train_data").value == mine.id
    assert at.number_input(key="train_epochs").value == epochs_for(250)
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    assert run.pictures is mine
    assert mine.runs == {run.id}
    assert run.request["model"]["architecture"] == "conv"
    assert run.request["training"]["batch_size"] == BATCH
    assert run.request["title"] == "pets conv 32-D"
    assert "--data folder:pets.zip" in run.request["command"]
    assert "--image-size 32 --fit crop --split-seed 0" in run.request["command"]
    store.drop(mine.owner, Upload, Pictures)
    at.run()
    assert "no longer here" in texts(at)
    assert at.selectbox(key="train_data").value == "mnist"


def train_small(pictures: Pictures, place: Path) -> None:
    """Leave a model of the pictures, called "small", in a folder."""
    model = VAEConfig("conv", pictures.images.image_shape, latent_dim=3, hidden=8)
    state = train.start(model, pictures.images, train.TrainConfig(epochs=1, device="cpu"))
    for _ in train.fit(state, pictures.images):
        pass
    weights, recipe = train.finish(state, pictures.images, "small", "train", quick=True)
    checkpoint.save(place, "small", weights, recipe)


@pytest.fixture
def trained(jobs, store, monkeypatch, tmp_path):
    """A visitor with pictures of so many classes and a model of them, called "small"."""

    def make(files: dict[str, bytes], size: int = 32) -> AppTest:
        at = open_data()
        at.segmented_control(key="data_size").set_value(size).run()
        upload(at, zipped(files))
        (mine,) = store.of(at.session_state["visitor"], "s", Pictures)
        train_small(mine, tmp_path)
        monkeypatch.setattr(picker, "SHIPPED", tmp_path)
        at.session_state["checkpoint_wanted"] = "small"
        return at.run()

    return make


@pytest.mark.parametrize(("folders", "size"), [("ab", 64), ([""], 32)])
def test_explore_shows_them_to_their_owner_alone(trained, store, folders, size):
    at = trained({f"{kind}/{i}.png": picture(100 * ord(kind or " ") + i) for i in range(20) for kind in folders}, size)
    at.switch_page("pages/explore.py").run()
    assert not at.exception
    assert "shown without them" not in texts(at)
    at.number_input(key="explore_image").set_value(0).run()
    assert not at.exception
    assert ("Class" in [caption.value for caption in at.caption]) == (folders == "ab")
    other = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE).run()
    other.switch_page("pages/explore.py").run()
    assert not other.exception
    assert "shown without them" in texts(other)
    store.drop(at.session_state["visitor"], Upload, Pictures)
    at.run()
    assert not at.exception
    assert "shown without them" in texts(at)


@pytest.mark.parametrize("folders", ["ab", [""]])
def test_map_shows_them_to_their_owner_alone(trained, store, folders):
    at = trained({f"{kind}/{i}.png": picture(100 * ord(kind or " ") + i) for i in range(30) for kind in folders})
    at.switch_page("pages/map.py").run()
    assert not at.exception
    assert f"{10 if folders == 'ab' else 5} test images of folder:pets" in texts(at)
    assert ("Linear probe" in texts(at)) == (folders == "ab")
    assert ("Class" in at.selectbox(key="map_colour").options) == (folders == "ab")
    other = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE).run()
    other.switch_page("pages/map.py").run()
    assert not other.exception
    assert "somebody's own pictures (pets), which are not here now" in texts(other)


# Arrays.

DIGITS = load("digits")
DIGIT_IMAGES, DIGIT_LABELS = DIGITS.train_images[:60, 0].numpy(), DIGITS.train_labels[:60].numpy()


def box(at: AppTest, label: str):
    (found,) = [element for element in at.selectbox if element.label == label]
    return found


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1)])
def test_an_array_of_floats_is_asked_about_and_the_answer_is_shown(jobs, store, low, high):
    raw = npz(images=(low + (high - low) / 255 * DIGIT_IMAGES).astype(np.float32), labels=DIGIT_LABELS)
    at = upload(open_data(), raw, "<b>mine.npz")
    assert not at.metric
    assert not at.error
    assert at.info[0].value == f"The values are float32 from {low} to 1. Which values are black and white?"
    asked = box(at, "Black to white")
    assert (asked.value, asked.options[0]) == (None, f"{low} to 1")
    assert {f"{low} to 1", *asked.options} <= {caption.value for caption in at.caption}
    assert all(at.segmented_control(key=f"data_{what}").disabled for what in ("size", "fit"))
    owner = at.session_state["visitor"]
    (question,) = store.of(owner, "s", Question)
    assert store.size(owner) == len(raw) + question.untold.some.nbytes
    asked.set_value(f"{low}..1").run()
    assert not at.exception
    assert metrics(at) == {"Pictures": "60", "To train on": "50", "To test on": "10", "Classes": "10"}
    (mine,) = store.of(owner, "s", Pictures)
    assert mine.images.digest == read_arrays(npz(images=DIGIT_IMAGES, labels=DIGIT_LABELS), "x.npz")[0].digest
    assert mine.title == f"Yours: <b>mine, 8 x 8, pixels {low}..1"
    assert "8 x 8 pixels, grey" in texts(at)
    assert box(at, "Black to white").value == f"{low}..1"
    at.number_input(key="data_seed").set_value(3).run()
    assert [each.settings.seed for each in store.of(owner, "s", Pictures)] == [0, 3]
    box(at, "Black to white").set_value(None).run()
    assert "Which values are black and white?" in at.info[0].value
    at.button(key="data_remove").click().run()
    assert not at.info
    assert store.size(owner) == 0


def test_a_table_as_kaggle_has_them_is_read_at_once_and_trained_on(jobs, store):
    at = upload(open_data(), table(DIGIT_IMAGES, f"label,{pixel_names(64)}", DIGIT_LABELS), "train.csv")
    assert metrics(at)["Classes"] == "10"
    assert "The column label names the classes." in [text.value for text in at.text]
    assert box(at, "Black to white").value is None
    at.button(key="data_train").click().run()
    at.switch_page("pages/train.py").run()
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    assert run.request["title"] == "train conv 32-D"
    asked = _parser().parse_args(shlex.split(run.request["command"])[3:])
    assert (asked.data, asked.split_seed, asked.pixels, asked.layout) == ("file:train.csv", 0, None, None)
    assert "--image-size" not in run.request["command"]


def test_rows_are_asked_about_first_and_both_answers_are_in_the_command(jobs, store):
    pixels = np.random.default_rng(0).random((40, 12, 10))
    at = upload(open_data(), npy((2 * pixels - 1).reshape(40, 120).astype(np.float32)), "faces.npy")
    assert "A row has 120 values, no square." in at.info[0].value
    assert box(at, "A row is").options[:2] == ["12 x 10, grey", "10 x 12, grey"]
    box(at, "A row is").set_value("12x10").run()
    assert box(at, "A row is").value == "12x10"
    box(at, "Black to white").set_value("-1..1").run()
    assert not at.exception
    assert "10 x 12 pixels, grey" in texts(at)
    at.button(key="data_train").click().run()
    at.switch_page("pages/train.py").run()
    at.button(key="train_start").click().run()
    words = shlex.split(jobs.store.all()[0].request["command"])[3:]
    asked = _parser().parse_args(words)
    assert (asked.data, asked.pixels, asked.layout) == ("file:faces.npy", "-1..1", "12x10")


def test_a_value_that_is_no_byte_is_told_with_its_row_as_text(jobs):
    wrong = DIGIT_IMAGES.astype(int)
    wrong[4, 0, 2] = 999
    at = upload(open_data(), table(wrong, f"label,{pixel_names(64)}".replace("pixel2,", "![x](y),"), DIGIT_LABELS), "train.csv")
    assert "Row 6 of train.csv has 999 in the column ![x](y)." in [text.value for text in at.text]
    assert not any("![x](y)" in element.value for element in [*at.markdown, *at.info, *at.caption])
    assert box(at, "Black to white").options[0] == "0 to 999"


@pytest.mark.parametrize(
    ("raw", "name"),
    [(npz(x=DIGIT_IMAGES), "bad.npz"), (npz(images=DIGIT_IMAGES)[:-99], "bad.npz"), (b"", "bad.npy"), (b"a,b", "bad.csv")],
)
def test_a_bad_array_is_one_sentence_and_what_was_there_stays(jobs, store, raw, name):
    at = upload(open_data(), pets())
    upload(at, raw, name)
    assert at.error[0].value == "The pictures were not read."
    assert next(text.value for text in at.text if name in text.value).endswith(".")
    assert metrics(at)["Pictures"] == "24"
    assert [upload.name for upload in store.of(at.session_state["visitor"], "s", Upload)] == ["pets.zip"]


def test_a_question_leaves_the_pictures_that_are_there_and_is_their_visitor_s_alone(jobs, store):
    at = upload(open_data(), pets())
    upload(at, npz(images=DIGIT_IMAGES / 255), "mine.npz")
    assert at.info
    assert len(store.of(at.session_state["visitor"], "s", Pictures)) == 1
    assert not open_data().info
    upload(at, pets(14))
    assert not at.info
    assert metrics(at)["Pictures"] == "28"
    assert not at.segmented_control(key="data_size").disabled


def test_map_and_explore_show_an_array_to_its_owner_alone(jobs, store, monkeypatch, tmp_path):
    at = upload(open_data(), npz(images=np.tile(DIGIT_IMAGES, (1, 2, 1)), labels=DIGIT_LABELS), "mine.npz")
    (mine,) = store.of(at.session_state["visitor"], "s", Pictures)
    assert mine.images.image_shape == (1, 16, 8)
    train_small(mine, tmp_path)
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    at.session_state["checkpoint_wanted"] = "small"
    at.run()
    other = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE).run()
    for page, shown, alone in (
        ("map", "10 test images of file:mine", "somebody's own pictures (mine), which are not here now"),
        ("explore", "Test image", "shown without them"),
    ):
        at.switch_page(f"pages/{page}.py").run()
        other.switch_page(f"pages/{page}.py").run()
        assert not at.exception
        assert not other.exception
        assert shown in texts(at) + "".join(element.label for element in at.number_input)
        assert alone in texts(other)
        assert alone not in texts(at)


def test_the_contact_sheet_takes_all_classes_by_turns():
    from vae_core.data import image_set

    labels = np.array([0] * 90 + [1] * 5 + [2] * 90)
    images = np.repeat(labels, 16).reshape(-1, 1, 4, 4).astype(np.uint8)
    chosen = data_view._some(image_set("x", images, labels, images[:1], labels[:1], "abc"))
    values, counts = np.unique(chosen[:, 0, 0, 0], return_counts=True)
    assert values.tolist() == [0, 1, 2]
    assert counts.tolist() == [34, 5, 33]
