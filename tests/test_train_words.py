"""What Train says while it trains: true of the numbers that it stands beside."""

import pytest

from latentscape.ui.train import words
from vae_core.models import FAMILIES

VAE, AE = FAMILIES["vae"], FAMILIES["ae"]


def record(epoch: int, loss: float, kl: float | None = None) -> dict:
    return {"epoch": epoch, "test_loss": loss} | ({} if kl is None else {"test_kl": kl, "test_recon": loss - kl})


@pytest.mark.parametrize(
    ("family", "epochs", "progress", "is_over", "said"),
    [
        (VAE, [], 0.0, False, "Before training"),
        (VAE, [], 0.3, False, "one cloud"),
        (AE, [record(1, 30.0)], 1.2, False, "second epoch"),
        (VAE, [record(1, 150, 4.0), record(2, 145, 5.0)], 2.4, False, "KL rises"),
        (VAE, [record(1, 150, 5.0), record(2, 145, 4.9)], 2.4, False, "still learns"),
        (VAE, [record(1, 145.1, 5.0), record(2, 145, 5.5)], 2.4, False, "hardly gets better"),
        (VAE, [record(1, -900.0, 5.0), record(2, -900.5, 5.0)], 2.4, False, "hardly gets better"),
        (VAE, [record(1, 206, 0.02)], 1.4, False, "collapse"),
        (VAE, [record(1, 206, 0.02)], 1.0, True, "collapse"),
        (VAE, [record(1, 150, 5.0)], 1.0, True, "is over"),
        (AE, [record(1, 30.0), record(2, 20.0)], 2.1, False, "still learns"),
    ],
)
def test_it_says_what_is_happening(family, epochs, progress, is_over, said):
    assert said in words.happening(family, epochs, progress, is_over)


def test_of_a_game_it_says_that_no_curve_need_fall_and_who_has_won():
    gan, even = FAMILIES["gan"], {"epoch": 2, "test_loss": 1.3, "test_fooled": 0.8, "test_real": 0.6, "test_drawn": 0.4}
    assert "every draw" in words.happening(gan, [], 0.0, False)
    assert "no curve need fall" in words.happening(gan, [even, even], 2.4, False)
    won = even | {"test_real": 0.999, "test_drawn": 0.001}
    assert "discriminator wins" in words.happening(gan, [even, won], 2.4, False)
    assert "no curve need fall" in words.happening(gan, [even, won], 2.4, False, gan.config(game="wgan-gp"))


def test_a_restorer_has_no_cloud():
    assert "cloud" not in words.happening(FAMILIES["restorer"], [], 0.5, False)


def test_the_loss_is_said_as_the_sum_that_it_is():
    request = {"kind": "vae", "model": {}, "training": {}}
    said = "loss (-ELBO, grey BCE) **141.1** = recon **134.6** + KL **6.6** nats per image"
    values = {"loss": 141.14, "recon": 134.55, "kl": 6.59}
    assert [words.in_numbers(request, values, tested) for tested in (True, False)] == [f"Test {said}", f"Training {said}"]
    alone = words.in_numbers({**request, "kind": "ae"}, {"loss": 3.0}, True)
    assert alone == f"Test error ({FAMILIES['ae'].config().loss_name}) **3.0** nats per image"
    assert words.in_numbers(request, {}, True) == ""


@pytest.mark.parametrize(
    ("model", "training", "said"),
    [
        ({}, {}, "minimised: recon + 1 · KL"), ({"beta": 4.0}, {}, "minimised: recon + 4 · KL"),
        ({"beta": 0.0}, {}, "minimised: recon + 0 · KL"), ({"reduction": "mean"}, {}, "minimised: recon / pixels + 1 · KL"),
        ({"beta": 2.0}, {"kl_warmup": 3.0}, "minimised: recon + β (to 2) · KL"),
    ],
)
def test_what_is_minimised_is_said_where_it_is_not_the_loss(model, training, said):
    request = {"kind": "vae", "model": model, "training": training}
    assert words.minimised(request) == said
    sums = words.in_numbers(request, {"loss": 3.0, "recon": 2.0, "kl": 1.0}, True)
    assert sums.endswith(said) == bool(model)


def test_losses_of_different_likelihoods_have_different_names_and_only_these():
    """What is averaged over other pixels, or is no likelihood at all, is no loss to compare with."""
    vae = FAMILIES["vae"].config
    likelihoods = [vae(), vae(binarize=True), vae(likelihood="gaussian")]
    others = [FAMILIES[name].config() for name in FAMILIES if name not in ("vae", "linear", "made", "fvsbn")]
    names = [config.loss_name for config in (*likelihoods, *others)]
    assert len(set(names)) == len(names)
    assert vae(beta=4.0, latent_dim=2, architecture="conv").loss_name == vae().loss_name
    assert FAMILIES["linear"].config().loss_name == FAMILIES["ae"].config().loss_name  # the same error of the same pixels
    assert len({FAMILIES[name].config().loss_name for name in ("pixelcnn", "made", "fvsbn")}) == 1  # exact, of the same pixels
    for config in (*likelihoods, *others):
        assert ("ELBO" in config.loss_name) == (FAMILIES[config.kind].likelihood == "bound")


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_what_will_be_seen_is_said_of_what_this_family_has(family):
    said = words.to_see(family)
    assert ("latent map" in said) == family.encodes
    assert ("samples" in said) == family.draws
    assert ("ELBO" in said) == ("KL" in said) == (family.likelihood == "bound")
    assert ("Damaged" in said) == family.has("corruption")
    assert ("each picture with the one above" in said) == (family.encodes or family.repairs)
    assert ("falls" in said or "losses fall" in said) != bool(family.parts)  # what one player wins the other loses
    assert family.terms[0].unit in said
