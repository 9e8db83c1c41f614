"""What a class starts from: a map that has formed after about ten seconds of two cores."""

from test_pages import open_app

from latentscape.ui.presets import FOR_A_CLASS, values_of
from latentscape.ui.request import request_of
from vae_core import data, evaluate, train
from vae_core.models.vae import VAEConfig


def test_a_shared_server_offers_it_first_and_a_person_alone_the_finer_map(jobs, monkeypatch):
    for shared, preset in (("1", FOR_A_CLASS), ("0", "Watch a map form")):
        monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
        at = open_app("train")
        assert at.selectbox(key="train_preset").value == preset
        assert at.number_input(key="train_epochs").value == values_of(preset)["epochs"]


def test_its_map_has_formed():
    """Ten nearest neighbours on the plane tell two of three digits at least (by chance one of ten)."""
    request = request_of(values_of(FOR_A_CLASS))
    mnist = data.load("mnist")
    state = train.start(VAEConfig(**request["model"]), mnist, train.TrainConfig(**request["training"]))
    for _ in train.fit(state, mnist):
        pass
    mu, _ = evaluate.encode(state.model, mnist.test_images)
    assert mu.shape == (10_000, 2)
    assert evaluate.neighbour_accuracy(mu.numpy(), mnist.test_labels.numpy()) > 0.66
