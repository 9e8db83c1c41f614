"""What became of a training: kept once, called as one likes, explored, lent by a link, deleted; by AppTest."""

import io
import zipfile

import pytest
from test_pages import finished_run, open_app, texts
from test_two_visitors import everything

from latentscape.ui import own, picker
from latentscape.ui.picker import called
from latentscape.work.belongings import Model
from latentscape.work.store import KEEP_SECONDS, Store
from vae_core import checkpoint
from vae_core.errors import BadInput

WHERE = pytest.mark.parametrize("shared", ["0", "1"])


@pytest.fixture
def place(monkeypatch, tmp_path):
    """Where one person's models are kept."""
    monkeypatch.setattr(picker, "KEPT", tmp_path / "kept")
    return tmp_path / "kept"


def trained(jobs, weights):
    run = finished_run(weights)
    jobs.store.add(run)
    return open_app("train", run=run.view_id)


def names(place, shared: str) -> list[str]:
    """Of the kept models, those whose weights are there."""
    if shared == "1":
        return [model.name for model in own.store().of("me", "", Model)]
    assert {path.stem for path in place.glob("*.json")} == {path.stem for path in place.glob("*.safetensors")}
    return sorted(path.stem for path in place.glob("*.json"))


def press(at, key: str):
    at.button(key=key).click().run()
    assert not at.exception
    return at


@WHERE
def test_a_kept_model_is_one_however_often_it_is_kept_and_another_one_takes_no_place(jobs, weights, monkeypatch, place, shared):
    monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
    at = press(trained(jobs, weights), "train_keep")
    assert "train_keep" not in [button.key for button in at.button]
    assert "Kept as ` digits-mlp-2-d `" in texts(at)
    at = trained(jobs, weights)  # the same weights again, looked at anew
    assert "Kept as ` digits-mlp-2-d `" in texts(at)
    opened = checkpoint.open_bytes(weights, "")
    other = checkpoint.to_bytes(opened.model, opened.recipe.model_copy(update={"title": "another"}))
    press(trained(jobs, other), "train_keep")
    assert names(place, shared) == ["digits-mlp-2-d", "digits-mlp-2-d-2"]


@WHERE
def test_after_keep_it_comes_explore_it(jobs, weights, monkeypatch, place, shared):
    monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
    at = trained(jobs, weights)
    at.text_input(key="train_name").set_value("My  Däys!")
    press(at, "train_keep")
    assert names(place, shared) == ["my-d-ys"]
    at.selectbox(key="checkpoint").set_value("mnist-2d").run()
    press(at, "train_explore")
    assert at.title[0].value == "Explore the latent space"
    assert at.selectbox(key="checkpoint").value.endswith("/my-d-ys")


@WHERE
def test_a_model_is_renamed_wherever_it_is_chosen_and_deleted_after_a_question(jobs, weights, monkeypatch, place, shared):
    monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
    at = press(trained(jobs, weights), "train_keep")
    at.text_input(key="own_model_name").set_value("Mine")
    press(at, "own_model_rename")
    assert names(place, shared) == ["mine"]
    assert at.selectbox(key="checkpoint").value.endswith("/mine")
    assert checkpoint.open_bytes(weights, "").recipe.title == "digits"
    assert "Kept as ` mine `" in texts(at)
    press(at, "own_model_delete")
    assert "Delete mine? It cannot be had back." in texts(at)
    press(at, "own_model_no")
    assert names(place, shared) == ["mine"]
    press(at, "own_model_delete")
    press(at, "own_model_yes")
    assert names(place, shared) == []
    assert at.selectbox(key="checkpoint").value == "mnist-2d"
    assert at.button(key="train_keep")
    assert not [box for box in at.selectbox if box.key == "own_model"]


@WHERE
@pytest.mark.parametrize(("typed", "says"), [("猫", "a to z"), ("", "a to z"), ("other", "called other already")])
def test_a_name_that_cannot_be_is_refused_and_nothing_changes(jobs, weights, monkeypatch, place, shared, typed, says):
    monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
    press(trained(jobs, weights), "train_keep")
    opened = checkpoint.open_bytes(weights, "")
    at = trained(jobs, checkpoint.to_bytes(opened.model, opened.recipe.model_copy(update={"title": "another"})))
    at.text_input(key="train_name").set_value("other")
    press(at, "train_keep")
    at.selectbox(key="own_model").set_value(f"{'own' if shared == '1' else 'kept'}/digits-mlp-2-d").run()
    before = names(place, shared)
    at.text_input(key="own_model_name").set_value(typed)
    press(at, "own_model_rename")
    assert says in texts(at)
    assert names(place, shared) == before == ["digits-mlp-2-d", "other"]


def test_words_that_make_no_name_are_refused():
    assert called("Zwei Größen 2-D") == "zwei-gr-en-2-d"
    for words in ("", "  ", "猫", "-/-"):
        with pytest.raises(BadInput, match="letters a to z"):
            called(words)


def test_the_zip_file_of_a_training_opens_in_the_picker(jobs, weights):
    at = open_app()
    packed = checkpoint.bundle("mine", weights)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert sorted(archive.namelist()) == ["mine.json", "mine.safetensors", "train.sh"]
    at.file_uploader(key="checkpoint_upload").set_value(("download (1).zip", packed, "application/zip")).run()
    assert at.selectbox(key="checkpoint").value == "own/mine"
    at.file_uploader(key="checkpoint_upload").set_value(("pets.zip", packed[:50], "application/zip")).run()
    assert "pets.zip is no intact zip file" in texts(at)


def test_every_shipped_model_has_a_line_on_what_it_is_for(jobs):
    at = open_app("restore")
    for name in at.selectbox(key="checkpoint").options:
        at.selectbox(key="checkpoint").set_value(name).run()
        assert checkpoint.read_recipe((picker.SHIPPED / f"{name}.json").read_bytes(), name).title in texts(at)


# Lent by a link.


@pytest.fixture
def hers(jobs, weights, monkeypatch):
    """A model of hers, on a server that others share."""
    monkeypatch.setenv("LATENTSCAPE_SHARED", "1")
    model = Model(owner="her", name="zebra", weights=weights)
    own.store().add(model, "her tab")
    return model


def switch(at, model) -> None:
    at.toggle(key=f"own_model_lend_{model.id}").set_value(not model.link).run()
    assert not at.exception


def test_a_model_is_lent_by_its_link_alone_until_its_owner_takes_it_back(hers):
    her = open_app("train", visitor="her")
    assert not hers.link
    switch(her, hers)
    link = hers.link
    assert any(code.value.endswith(f"/explore?checkpoint=link/{link}") for code in her.code)
    him, third = open_app("explore", visitor="him", checkpoint=f"link/{link}"), open_app("explore", visitor="third")
    assert him.selectbox(key="checkpoint").value == f"link/{link}"
    assert "zebra (by link)" in him.selectbox(key="checkpoint").options
    assert him.query_params["checkpoint"] == f"link/{link}"
    assert "zebra" not in everything(third._tree)
    assert not [box for box in him.selectbox if box.key == "own_model"]  # it is not his to rename or delete
    assert "zebra (by link)" in open_app(visitor="him").selectbox(key="checkpoint").options  # in his other tabs too

    switch(her, hers)
    him.run()
    assert him.selectbox(key="checkpoint").value == "mnist-2d"
    assert "was taken back" in texts(him)
    for visitor in ("him", "third"):
        late = open_app("explore", visitor=visitor, checkpoint=f"link/{link}")
        assert "not here" in texts(late)
        assert "zebra" not in everything(late._tree)
    switch(her, hers)
    assert hers.link != link  # the old link stays dead


def test_a_deleted_model_is_lent_no_more(hers):
    her = open_app(visitor="her")
    switch(her, hers)
    him = open_app("map", visitor="him", checkpoint=f"link/{hers.link}")
    assert "zebra (by link)" in him.selectbox(key="checkpoint").options
    press(her, "own_model_delete")
    press(her, "own_model_yes")
    him.run()
    assert "zebra" not in everything(him._tree)


def test_her_own_page_has_the_link_in_its_address_while_it_may_be_used(hers):
    her = open_app("explore", visitor="her", checkpoint="own/zebra")
    assert her.query_params["checkpoint"] == "own/zebra"
    switch(her, hers)
    assert her.query_params["checkpoint"] == f"link/{hers.link}"
    again = open_app("explore", visitor="her", checkpoint=f"link/{hers.link}")
    assert again.selectbox(key="checkpoint").value == "own/zebra"


def test_one_persons_server_lends_nothing(hers, monkeypatch):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    assert not open_app(visitor="her").toggle


def test_a_lent_model_stays_as_long_as_a_guest_looks_at_it(monkeypatch):
    monkeypatch.setattr(Store, "_watch_over", lambda self: None)
    now, tabs = [0.0], {"her tab", "his tab"}
    store = Store(tabs.__contains__, lambda: now[0])
    model = Model(owner="her", name="zebra", weights=b"x")
    store.add(model, "her tab")
    store.lend(model)
    assert store.borrow(model.link, "him") is model
    assert store.borrow("", "him") is store.borrow("another", "him") is None
    assert store.lent("him", "his tab") == [model]
    tabs.discard("her tab")
    now[0] += 2 * KEEP_SECONDS
    store.forget()
    assert store.lent("him", "his tab") == [model]
    tabs.discard("his tab")
    now[0] += KEEP_SECONDS + 1
    store.forget()
    assert store.lent("him", "his tab") == []
