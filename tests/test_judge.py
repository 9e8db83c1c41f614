"""The judge knows digits, its distance grows with damage of six kinds, and its file is opened as it was saved or refused."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from test_commands import refused, run

from vae_core import checkpoint, corruption, draws, judge
from vae_core.data import load, to_float
from vae_core.errors import BadInput
from vae_core.latent import prior_draws

torch.set_num_threads(1)
DIGITS, COUNT = load("digits"), 800


def trained(data, epochs: int = 1, seed: int = 0) -> judge.Judge:
    *_, last = judge.train(data, epochs, seed)
    return last


@pytest.fixture(scope="session")
def quick():
    """A judge of MNIST after a fifth of a pass: a few seconds."""
    mnist = load("mnist")
    return trained(replace(mnist, train_images=mnist.train_images[:12_000], train_labels=mnist.train_labels[:12_000]))


@pytest.fixture(scope="module")
def small():
    return trained(DIGITS)


def test_a_fifth_of_a_pass_names_most_digits(quick):
    mnist = load("mnist")
    assert judge.accuracy(quick, mnist.test_images[:2000], mnist.test_labels[:2000]) > 0.95
    features = judge.judged(quick, mnist.test_images[:2000]).features
    assert features.shape == (2000, judge.FEATURES)
    assert (features.std(0) > 1e-3).sum() > 60  # no unit, or nearly none, that says the same of every digit


def test_more_passes_name_more_of_the_small_digits(small):
    right = judge.accuracy(small, DIGITS.test_images, DIGITS.test_labels)
    assert judge.accuracy(trained(DIGITS, 10), DIGITS.test_images, DIGITS.test_labels) > max(right, 0.9)


# Damage, more and more of it: images (N, 1, 28, 28) in [0, 1], their labels, how much -> images.


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def noise(x, labels, amount):
    return corruption.gaussian(x, amount, generator()).image


def blur(x, labels, amount):
    along = torch.arange(-6, 7.0)
    kernel = torch.exp(-0.5 * (along / amount) ** 2) if amount else (along == 0).float()
    kernel = kernel / kernel.sum()
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 13, 1), padding=(6, 0)), kernel.view(1, 1, 1, 13), padding=(0, 6))


def dropped(x, labels, amount):
    return corruption.dropout(x, amount, generator()).image


def swaps(x, labels, amount):
    """So many pairs of squares of 7 x 7 pixels change places, in all images the same ones."""
    places = torch.randperm(16, generator=generator())
    tiles = F.unfold(x, 7, stride=7)  # (N, 49, 16)
    order = torch.arange(16)
    for one, other in places[: 2 * amount].view(-1, 2):
        order[one], order[other] = other, one
    return F.fold(tiles[:, :, order], 28, 7, stride=7)


def blends(x, labels, amount):
    return corruption.merge(x, x.roll(1, 0), amount)


def left_out(x, labels, amount):
    """A share of the ones are left out, others take their places."""
    ones, others = (labels == 1).nonzero()[:, 0], (labels != 1).nonzero()[:, 0]
    x, gone = x.clone(), ones[: round(amount * len(ones))]
    x[gone] = x[others[: len(gone)]]
    return x


@pytest.mark.parametrize(
    ("damage", "amounts"),
    [
        (noise, (0, 0.15, 0.3, 0.6)), (blur, (0, 1.0, 1.5, 2.5)), (dropped, (0, 0.05, 0.15, 0.4)), (swaps, (0, 1, 3, 8)),
        (blends, (0.0, 0.15, 0.3, 0.5)), (left_out, (0, 0.5, 1)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_its_distance_grows_with_damage_of_every_kind(quick, damage, amounts):
    mnist = load("mnist")
    real = draws.moments(judge.judged(quick, mnist.train_images[20_000 : 20_000 + COUNT]).features)
    x, labels = (part[40_000 : 40_000 + COUNT] for part in (mnist.train_images, mnist.train_labels))
    damaged = (damage(to_float(x), labels, amount).mul(255).round().byte() for amount in amounts)
    distances = [draws.frechet_distance(real, judge.judged(quick, images).features) for images in damaged]
    assert distances[0] < 10  # real against real
    assert distances == sorted(distances)
    assert all(later > 1.2 * before for before, later in pairwise(distances)), distances


# What it says.


def test_what_it_says_of_an_image_does_not_depend_on_the_others(small, monkeypatch):
    monkeypatch.setattr(judge, "BATCH", 7)
    together, alone = judge.judged(small, DIGITS.test_images[:20]), judge.judged(small, DIGITS.test_images[3:4])
    torch.testing.assert_close(together.features[3], alone.features[0])
    torch.testing.assert_close(together.logits, small.named(together.features))
    torch.testing.assert_close(small(to_float(DIGITS.test_images[:20])), together.logits)


def test_a_class_is_found_where_it_has_a_tenth_of_its_part():
    named = torch.tensor([0] * 60 + [1] * 37 + [2] * 3)
    counts, found = judge.classes_found(F.one_hot(named, 4).float())
    assert counts.tolist() == [60, 37, 3, 0]
    assert found.tolist() == [True, True, True, False]  # of 100 draws and four classes, a tenth of 25
    assert judge.classes_found(F.one_hot(named, 4).float(), share=0.2).found.tolist() == [True, True, False, False]
    assert judge.classes_found(F.one_hot(named[:1], 4).float()).found.sum() == 1  # of one draw


def test_the_classes_of_real_digits_are_all_found(quick):
    assert judge.classes_found(judge.judged(quick, load("mnist").test_images[:500]).logits).found.all()


def test_it_learns_from_the_labelled_training_images_alone_and_the_same_from_the_same_seed(small):
    other = replace(DIGITS, test_images=DIGITS.test_images.flip(0), test_labels=DIGITS.test_labels * 0)
    state = torch.get_rng_state()
    again = trained(other)
    assert torch.equal(torch.get_rng_state(), state)
    for one, same in zip(small.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, same)
    assert not torch.equal(small.named.weight, trained(DIGITS, seed=1).named.weight)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 9, 5), (1, 28, 28), (2, 1, 1)])
def test_it_takes_images_of_any_shape(shape):
    judged = judge.judged(judge.JudgeConfig(shape, 3, 8).build(), torch.zeros(2, *shape, dtype=torch.uint8))
    assert judged.features.shape == (2, judge.FEATURES)
    assert judged.logits.shape == (2, 3)


# Its file and its command.


def test_it_is_opened_as_it_was_saved(small, tmp_path):
    weights, recipe = judge.to_bytes(small, DIGITS, {"epochs": 1})
    judge.companion.save(tmp_path / "digits", weights, recipe)
    opened = judge.open_file(tmp_path / "digits.safetensors")
    assert opened.recipe.data.name == "digits"
    assert opened.recipe.data.digest == DIGITS.digest
    assert opened.recipe.metrics["test_accuracy"] == judge.accuracy(small, DIGITS.test_images, DIGITS.test_labels)
    assert json.loads((tmp_path / "digits.json").read_text())["weights_sha256"] == opened.digest
    images = DIGITS.test_images[:5]
    assert torch.equal(judge.judged(opened.network, images).features, judge.judged(small, images).features)


def test_pictures_of_another_shape_are_refused_in_a_sentence(small):
    with pytest.raises(BadInput, match=r"^These pictures are 1 x 28 x 28, and this judge knows 1 x 8 x 8 .*\.$"):
        judge.judged(small, load("mnist").test_images[:2])


def test_a_set_without_classes_has_no_judge():
    with pytest.raises(BadInput, match="have no classes"):
        trained(replace(DIGITS, classes=()))


def changed(weights: bytes, tensors: dict | None = None, **changes) -> bytes:
    """The same file with other entries in its recipe, or other tensors."""
    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    recipe = json.loads(header["__metadata__"]["latentscape-judge"]) | changes
    return safetensors.torch.save(safetensors.torch.load(weights) | (tensors or {}), {"latentscape-judge": json.dumps(recipe)})


def test_damaged_files_are_refused_in_a_sentence(small, tmp_path):
    weights, _ = judge.to_bytes(small, DIGITS, {})
    config = {"image_shape": [1, 8, 8], "classes": 10, "hidden": 32}
    faults = {
        "no judge": safetensors.torch.save({"a": torch.zeros(1)}),
        "not a safetensors file": b"pickle" * 10,
        "does not hold": changed(weights, config=config | {"hidden": 16}),
        "cannot be built": changed(weights, config=config | {"classes": 10**9}),
        "does not know": changed(weights, config=config | {"depth": 3}),
        "later Latentscape": changed(weights, schema_version=2),
        "is damaged": changed(weights, extra=1),
        "not finite": changed(weights, {"named.bias": torch.full((10,), torch.nan)}),
    }
    for said, content in faults.items():
        with pytest.raises(BadInput, match=said) as error:
            judge.open_bytes(content, "mine")
        assert "mine" in str(error.value)
    with pytest.raises(BadInput, match="nowhere cannot be read"):
        judge.open_file(tmp_path / "nowhere")


def test_its_command_trains_and_keeps_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "judge", "--data", "digits", "--out", "judges/it.safetensors", "--json")
    assert code == 0
    assert "of 360 test images named right" in err[0]
    opened = judge.open_file(tmp_path / "judges" / "it")
    assert json.loads(out[0]) == {"test_accuracy": opened.recipe.metrics["test_accuracy"], "digest": opened.digest}
    assert opened.recipe.command == "python -m vae_core.judge --data digits --out judges/it.safetensors --json"
    assert "is there already" in refused(capsys, "judge", "--data", "digits", "--out", "judges/it.safetensors")
    assert ".safetensors" in refused(capsys, "judge", "--data", "digits", "--out", "it.png")
    assert "number of epochs" in refused(capsys, "judge", "--data", "digits", "--out", "b.safetensors", "--epochs", "0")


# The judges that ship.


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.99), ("fashion-mnist", 0.9)])
def test_a_shipped_judge_is_small_and_knows_its_data(name, least):
    file = judge.SHIPPED / f"{name}.safetensors"
    opened = judge.open_file(file)
    assert file.stat().st_size <= 8_000_000
    assert opened.recipe.data.name == name
    assert opened.recipe.metrics["test_accuracy"] >= least
    assert opened.recipe.command == f"python -m vae_core.judge --data {name} --epochs 3 --out checkpoints/judges/{file.name}"


def test_the_shipped_judge_of_mnist_names_what_its_recipe_says():
    mnist = load("mnist")
    opened = judge.shipped(mnist)
    right = judge.accuracy(opened.network, mnist.test_images, mnist.test_labels)
    assert right == pytest.approx(opened.recipe.metrics["test_accuracy"], abs=5e-4)
    assert judge.shipped(replace(mnist, digest="0" * 64)) is None, "other pictures of the same name"
    assert judge.shipped(load("digits")) is None


DRAWN = 4000


def features_of(name: str) -> judge.Judged:
    """What the shipped judge says of a shipped model's draws from its prior."""
    model = checkpoint.find(name).model
    with torch.no_grad():
        images = model.decode(prior_draws(DRAWN, model.config.latent_dim)).mul(255).round().byte()
    return judge.judged(judge.shipped(load("mnist")).network, images)


def test_a_gan_s_draws_are_nearer_to_digits_than_those_of_a_vae_and_have_all_classes():
    """By our classifier, 4,000 draws each; real images against others come first."""
    mnist = load("mnist")
    ours = judge.shipped(mnist).network
    known = judge.judged(ours, mnist.test_images[:DRAWN]).features
    others = judge.judged(ours, mnist.test_images[DRAWN : 2 * DRAWN]).features
    gan, vae = features_of("mnist-dcgan"), features_of("mnist-20d")
    real, painted, decoded = (draws.frechet_distance(known, each) for each in (others, gan.features, vae.features))
    assert real < painted < decoded
    assert judge.classes_found(gan.logits).found.all()
