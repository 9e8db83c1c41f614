"""The commands of the core: what each says of itself, that paths are called as they were typed, and what sample and encode
write."""

import io
import json
import shlex

import numpy as np
import pytest
import torch
from PIL import Image

import vae_core
from vae_core import checkpoint, encode, inpainting_cli, judge, sample, train, train_cli
from vae_core.array_file import read_arrays
from vae_core.data import load, to_float
from vae_core.errors import BadInput
from vae_core.latent import prior_draws
from vae_core.train_config import epochs_for

torch.set_num_threads(1)

COMMANDS = {"train": train_cli, "sample": sample, "encode": encode, "inpainting": inpainting_cli, "judge": judge}
every_command = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, which is the working directory."""
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, command: str, *words: str) -> tuple[int, list[str], list[str]]:
    """A command in this process: exit code, lines on stdout, lines on stderr."""
    capsys.readouterr()
    try:
        code = COMMANDS[command].main(list(words))
    except SystemExit as left:
        code = left.code
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def refused(capsys, command: str, *words: str) -> str:
    """The one sentence with which a command refuses."""
    code, out, err = run(capsys, command, *words)
    assert (code, out, len(err)) == (2, [], 1), (out, err)
    assert err[0].endswith(".")
    return err[0]


# What a command says of itself.


@every_command
def test_help_says_the_default_of_every_option_that_has_one_and_shows_examples_that_parse(name, capsys):
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    parser = COMMANDS[name]._parser()
    formatter = parser._get_formatter()
    for action in parser._actions:
        told = formatter._expand_help(action)
        is_flag = action.nargs == 0 and action.default in (None, False, "==SUPPRESS==")
        without = action.required or action.dest in ("out", "init")  # there is nothing where nothing is said
        assert is_flag or without or "(default: " in told, action.dest
        if action.default is not None and not is_flag and not without and "%" not in action.help:
            assert told.count("(default: ") == 1, action.dest
    shown = [line.strip() for line in out if line.startswith(f"  python -m vae_core.{name} ")]
    assert len(shown) == len(parser.examples) >= 1
    for line in shown:
        parser.parse_args(shlex.split(line)[3:])


# Paths, as they were typed.


@pytest.mark.parametrize(
    ("command", "words", "typed"),
    [
        ("train", "--out ~/r --data folder:~/no-pictures", "~/no-pictures"),
        ("train", "--out ~/r --data folder:./a/../empty", "./a/../empty"),
        ("train", "--out ~/r --data folder:./page.npz", "./page.npz"),
        ("train", "--out ~/r --data file:~/here/page.npz", "~/here/page.npz"),
        ("train", "--out ~/r --data file:./few.npy", "./few.npy"),
        ("train", "--out ~/r --data digits --init ./no/checkpoint", "./no/checkpoint"),
        ("train", "--out ~/r --data digits --init ~/here/page.safetensors", "~/here/page.safetensors"),
        ("train", "--out ./runs/./r --data digits --resume", "./runs/./r"),
        ("train", "--out ~/here --data digits", "~/here"),
        ("sample", "~/no/model --json", "~/no/model"),
        ("sample", "./here/page --json", "./here/page"),
        ("sample", "mnist-linear-2d --out ~/draws.gif", "~/draws.gif"),
        ("sample", "mnist-2d-tutorial --out ~/here/page.npz", "~/here/page.npz"),
        ("sample", "mnist-2d-tutorial --out ./few.npy/x.npz", "./few.npy/x.npz"),
        ("encode", "mnist-linear-2d --json --data folder:~/no-pictures", "~/no-pictures"),
        ("encode", "mnist-linear-2d --json --data file:./here/page.npz", "./here/page.npz"),
        ("inpainting", "--images 1 --methods dae --checkpoints ~/nowhere", "~/nowhere/mnist-dae-500"),
    ],
)
def test_a_refusal_names_the_path_as_it_was_typed(home, capsys, command, words, typed):
    (home / "here").mkdir()
    (home / "empty").mkdir()
    (home / "a").mkdir()
    for name in ("page.npz", "page.safetensors", "checkpoint.safetensors"):
        (home / "here" / name).write_text("<html>")
    (home / "page.npz").write_text("<html>")
    np.save(home / "few.npy", np.zeros((2, 8, 8), np.uint8))
    said = refused(capsys, command, *words.split())
    assert typed in said
    assert str(home) not in said


def test_a_long_path_is_named_whole(home, capsys):
    typed = "/".join(["a-folder-of-somebody"] * 7)
    assert typed in refused(capsys, "train", "--out", "r", "--data", f"folder:{typed}")


def test_a_page_still_calls_an_upload_by_its_name(tmp_path):
    from vae_core.folder import read_pictures

    with pytest.raises(BadInput) as caught:
        read_pictures(b"PK", name="somebodys pictures " * 20 + ".zip")
    assert len(str(caught.value)) < 120


# Epochs.


def test_the_number_of_epochs_follows_the_number_of_pictures():
    assert [epochs_for(images) for images in (5, 250, 1000, 3000, 15_000, 60_000)] == [300, 300, 150, 50, 10, 10]
    assert all(abs(epochs_for(images) - 150_000 / images) <= 5 for images in range(500, 15_000, 97))  # in tens


def test_the_command_chooses_as_many_epochs_for_own_pictures_as_the_page(home, capsys, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (1200, 8, 8), dtype=np.uint8)
    np.savez("mine.npz", images=pixels)
    monkeypatch.setattr(train_cli, "fit", lambda state, images: iter(()))
    model = ["--kind", "linear", "--hidden", "2", "--device", "cpu", "--json"]
    for words, epochs in (
        ("--data file:mine.npz --out a", epochs_for(1000)), ("--data file:mine.npz --epochs 3 --out b", 3),
        ("--data digits --out c", train.TrainConfig.epochs),
    ):
        code, _, err = run(capsys, "train", *words.split(), *model)
        assert code == 0
        recipe = checkpoint.open_file(home / words.split()[-1] / "checkpoint").recipe
        assert recipe.training["epochs"] == epochs
        assert any(f"{epochs} epochs suit 1,000 training pictures" in line for line in err) == ("a" in words.split())


# sample.


def test_draws_are_those_of_the_prior_decoded_and_the_seed_says_which(home, capsys):
    code, out, err = run(capsys, "sample", "mnist-2d-tutorial", "--count", "5", "--seed", "3", "--out", "~/new/draws.npz")
    assert (code, out, err) == (0, [], ["~/new/draws.npz: 5 draws of the prior, decoded."])
    with np.load(home / "new" / "draws.npz") as held:
        z, images = held["z"], held["images"]
    assert (z.dtype, z.shape, images.dtype, images.shape) == (np.float32, (5, 2), np.uint8, (5, 1, 28, 28))
    assert np.array_equal(z, prior_draws(5, 2, seed=3).numpy())
    expected = vae_core.load("mnist-2d-tutorial").decode(torch.from_numpy(z)).numpy() * 255
    assert np.abs(images - expected).max() <= 0.5 + 1e-3
    again, report = read_arrays(home / "new" / "draws.npz")  # what is written can be trained on
    assert report.read == 5
    assert again.image_shape == (1, 28, 28)


def test_draws_in_a_grid_and_as_json(home, capsys):
    code, out, _ = run(capsys, "sample", "shapes-2d", "--count", "7", "--out", "grid.PNG", "--json")
    assert code == 0
    lines = [json.loads(line) for line in out]
    assert [line["draw"] for line in lines] == list(range(7))
    assert np.allclose([line["z"] for line in lines], prior_draws(7, 2).numpy())
    with Image.open("grid.PNG") as picture:
        side = 32 * 3
        assert (picture.format, picture.size) == ("PNG", (3 * side + 4, 3 * side + 4))
        tile = np.asarray(picture)[:side:3, :side:3, :3]
    expected = sample.sample(vae_core.load("shapes-2d"), 1)[1][0].transpose(1, 2, 0)
    assert np.array_equal(tile, expected)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("mnist-2d-tutorial", "Nothing would be kept"), ("mnist-2d-tutorial --json --count 0", "number of draws"),
        ("mnist-2d-tutorial --json --seed -1", "seed"), ("mnist-linear-2d --json", "has no prior"),
        ("mnist-restorer --json", "has no prior"), ("no-such-model --json", "the name of a shipped one: "),
        ("mnist-2d-tutorial --out x.png --count 5000", "write an .npz"), ("", "model"),
    ],
)
def test_what_cannot_be_drawn_is_refused(home, capsys, words, says):
    assert says.lower() in refused(capsys, "sample", *words.split()).lower()
    assert list(home.iterdir()) == []


def test_a_file_is_replaced_on_request_only(home, capsys):
    (home / "x.npz").write_text("somebody's")
    assert "--overwrite" in refused(capsys, "sample", "mnist-2d-tutorial", "--out", "x.npz")
    assert (home / "x.npz").read_text() == "somebody's"
    assert run(capsys, "sample", "mnist-2d-tutorial", "--out", "x.npz", "--overwrite")[0] == 0
    assert np.load(home / "x.npz")["z"].shape == (64, 2)
    assert [path.name for path in home.iterdir()] == ["x.npz"]


# encode.


def test_the_codes_are_those_of_the_set_that_the_model_was_trained_on(home, capsys):
    code, out, err = run(capsys, "encode", "mnist-2d-tutorial", "--count", "30", "--out", "codes.npz")
    assert (code, out) == (0, [])
    assert err[-1] == "codes.npz: 30 pictures, 2 numbers each."
    mnist, model = load("mnist"), vae_core.load("mnist-2d-tutorial")
    mu, logvar = model.encode(to_float(mnist.test_images[:30]))
    with np.load("codes.npz", allow_pickle=False) as held:
        assert set(held) == {"codes", "logvar", "labels", "classes", "is_test"}
        assert np.allclose(held["codes"], mu.numpy(), atol=1e-5)
        assert np.allclose(held["logvar"], logvar.numpy(), atol=1e-5)
        assert held["classes"][held["labels"]].tolist() == [str(label) for label in mnist.test_labels[:30].tolist()]
        assert held["is_test"].all()


def pictures_in(folder, colour: bool) -> dict[str, np.ndarray]:
    """Six pictures of two classes, written into a folder: name -> pixels."""
    made = {}
    for index in range(6):
        name = f"{'cat' if index % 2 else 'dog'}/{index}.png"
        pixels = np.random.default_rng(index).integers(0, 256, (28, 28, 3), dtype=np.uint8)
        made[name] = pixels if colour else np.repeat(pixels[..., :1], 3, axis=2)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(made[name]).save(folder / name)
    return made


@pytest.mark.parametrize("colour", [False, True])
def test_pictures_of_a_folder_are_told_by_their_names_in_the_model_s_channels(home, capsys, colour):
    made = pictures_in(home / "pets", colour)
    code, out, err = run(capsys, "encode", "mnist-linear-2d", "--data", "folder:~/pets", "--json")
    assert code == 0
    assert err[0] == "6 pictures were read."
    lines = [json.loads(line) for line in out]
    assert [line["picture"] for line in lines] == sorted(made)
    assert [line["class"] for line in lines] == [name.split("/")[0] for name in sorted(made)]
    assert sum(line["is_test"] for line in lines) == 1
    assert all("logvar" not in line for line in lines)
    model = vae_core.load("mnist-linear-2d")
    for line in lines:
        grey = Image.fromarray(made[line["picture"]]).convert("L")  # Pillow's own weights: an independent look
        expected = model.codes(torch.from_numpy(np.array(grey))[None, None].float() / 255)[0].tolist()
        assert line["code"] == pytest.approx(expected, abs=0.05)


def test_grey_pictures_are_encoded_by_a_model_of_colour(home, capsys):
    made = pictures_in(home / "pets", colour=False)
    code, out, _ = run(capsys, "encode", "shapes-2d", "--data", "folder:pets", "--json", "--count", "1")
    assert code == 0
    (line,) = map(json.loads, out)
    grey = Image.fromarray(made[line["picture"]]).resize((32, 32), Image.Resampling.BILINEAR)
    x = torch.from_numpy(np.array(grey)).permute(2, 0, 1)[None].float() / 255
    assert line["code"] == pytest.approx(vae_core.load("shapes-2d").codes(x)[0].tolist(), abs=0.05)


def test_pictures_of_an_array_keep_their_order(home, capsys):
    images = load("mnist").train_images[:40]
    np.savez("mine.npz", images=images.numpy(), labels=np.arange(40) % 3)
    assert run(capsys, "encode", "mnist-ae-30", "--data", "file:mine.npz", "--out", "codes.npz")[0] == 0
    with np.load("codes.npz") as held:
        assert np.allclose(held["codes"], vae_core.load("mnist-ae-30").codes(to_float(images)).numpy(), atol=1e-5)
        assert held["labels"].tolist() == [index % 3 for index in range(40)]
        assert held["is_test"].sum() == round(40 / 6)
        assert "logvar" not in held


def test_a_picture_shows_each_beside_what_is_made_of_its_code(home, capsys):
    assert run(capsys, "encode", "mnist-linear-2d", "--count", "7", "--out", "pairs.png")[0] == 0
    raw = np.asarray(Image.open(io.BytesIO((home / "pairs.png").read_bytes())))
    step = 28 * 3 + 2
    assert raw.shape == (2 * step - 2, 10 * step - 2, 4)
    x = load("mnist").test_images[:7]
    model = vae_core.load("mnist-linear-2d")
    painted = model.decode(model.codes(to_float(x)))
    for index in range(7):
        top, left = divmod(2 * index, 10)
        tiles = [raw[top * step :, (left + at) * step :][: 28 * 3 : 3, : 28 * 3 : 3, 0] for at in (0, 1)]
        assert np.array_equal(tiles[0], x[index, 0].numpy())
        assert np.abs(tiles[1] - painted[index, 0].numpy() * 255).max() <= 0.5 + 1e-3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("mnist-linear-2d", "Nothing would be kept"), ("mnist-restorer --json", "has no code"),
        ("mnist-linear-2d --json --data digits", "1 x 8 x 8, and this model reads 1 x 28 x 28"),
        ("mnist-linear-2d --json --count 0", "number of pictures"), ("mnist-linear-2d --json --data imagenet", "no data set"),
        ("mnist-linear-2d --out x.png --count 3000", "write an .npz"), ("mnist-linear-2d --json --fit crop", "folder:PATH"),
        ("mnist-linear-2d --json --image-size 28", "--image-size"),
    ],
)
def test_what_cannot_be_encoded_is_refused(home, capsys, words, says):
    code, out, err = run(capsys, "encode", *words.split())
    assert (code, out) == (2, [])
    assert says in err[-1]
    assert list(home.iterdir()) == []


def test_of_own_pictures_it_is_said_that_they_must_be_named(home, capsys):
    np.savez("mine.npz", images=np.random.default_rng(0).integers(0, 256, (12, 9, 8), dtype=np.uint8))
    trained = "--data file:mine.npz --kind ae --hidden 2 --epochs 1 --device cpu --json --out own"
    assert run(capsys, "train", *trained.split())[0] == 0
    assert "give --data folder:PATH" in refused(capsys, "encode", "own/checkpoint", "--json")
    assert "become square" in refused(capsys, "encode", "own/checkpoint", "--json", "--data", "folder:x")
    code, out, _ = run(capsys, "encode", "./own/checkpoint", "--json", "--data", "file:mine.npz")
    assert (code, len(out)) == (0, 12)
