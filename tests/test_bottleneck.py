"""The curve of code size against error: trained as by `fit`, and PCA as scikit-learn computes it."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vae_core import data, evaluate, train
from vae_core.bottleneck import BATCH, RATE, pca_errors, trained_errors
from vae_core.models.autoencoder import AutoencoderConfig

DIGITS = data.load("digits")


def test_each_size_has_the_error_of_a_training_of_its_own():
    found = dict(trained_errors(DIGITS, (2, 16), epochs=3, images=500, seed=4))
    assert found[16] < found[2]
    from dataclasses import replace

    part = replace(DIGITS, train_images=DIGITS.train_images[:500], train_labels=DIGITS.train_labels[:500])
    config = train.TrainConfig(epochs=3, batch_size=BATCH, lr=RATE, seed=4, device="cpu")
    state = train.start(AutoencoderConfig((1, 8, 8), 16), part, config)
    for _ in train.fit(state, part):
        pass
    assert found[16] == pytest.approx(evaluate.terms(state.model, DIGITS.test_images)["loss"].mean().item(), rel=1e-5)


def test_it_can_be_stopped_within_a_training():
    asked = []
    assert list(trained_errors(DIGITS, (2, 4), 1, 500, stopped=lambda: asked.append(1) or len(asked) > 1)) == []
    assert len(asked) == 2


def test_the_linear_codes_are_scikit_learns():
    found = pca_errors(DIGITS.train_images, DIGITS.test_images, (0, 3, 20, 64, 65))
    x, test = (images.flatten(1).numpy() / 255 for images in (DIGITS.train_images, DIGITS.test_images))
    assert [size for size, _ in found] == [0, 3, 20, 64]
    for size, error in found[1:3]:
        pca = PCA(size, svd_solver="full").fit(x)
        again = pca.inverse_transform(pca.transform(test))
        assert error == pytest.approx(0.5 * np.square(2 * again - 2 * test).sum(1).mean(), rel=1e-4)
    assert found[3][1] == pytest.approx(0, abs=1e-8)
