"""The one door for files: what was saved opens again, and whatever else comes is refused in one sentence, unopened."""

import contextlib
import errno
import hashlib
import io
import json
import os
import pickle
import struct
import zipfile
from functools import cache
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import vae_core
from vae_core import checkpoint, evaluate
from vae_core.data import ImageSet, load
from vae_core.errors import BadInput
from vae_core.models.vae import ARCHITECTURES, VAE, VAEConfig


def tiny_set(train: int = 60, test: int = 40) -> ImageSet:
    """The first of scikit-learn's 8x8 digits."""
    digits = load("digits")
    parts = (digits.train_images[:train], digits.train_labels[:train], digits.test_images[:test], digits.test_labels[:test])
    return ImageSet("tiny", *parts, classes=digits.classes, digest=hashlib.sha256(f"{train} {test}".encode()).hexdigest())


def model_of(seed: int = 0, **changes) -> VAE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VAE(VAEConfig(**{"image_shape": (1, 8, 8), "latent_dim": 2, "hidden": 8} | changes))


def recipe_of(model: VAE, title: str = "Tiny") -> checkpoint.Recipe:
    metrics = {"test_loss": 33.25, "seconds": 1.5}
    return checkpoint.make_recipe(model, title, tiny_set(), {"epochs": 1, "lr": 1e-3}, "python -m …", [{"epoch": 1}], metrics)


@cache
def good() -> bytes:
    """A weights file as it should be."""
    model = model_of()
    return checkpoint.to_bytes(model, recipe_of(model))


def take_apart(weights: bytes) -> tuple[dict, dict, bytes]:
    """Header (without its metadata), embedded recipe and tensor bytes of a weights file."""
    (length,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + length])
    recipe = json.loads(header.pop("__metadata__")["latentscape"])
    return header, recipe, weights[8 + length :]


def put_together(header: dict | str, body: bytes) -> bytes:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text)) + text + body


def with_recipe(change, weights: bytes | None = None) -> bytes:
    """The good file with a changed recipe: `change` gets the dict, or the text where it returns one."""
    header, recipe, body = take_apart(weights or good())
    text = change(recipe)
    text = text if isinstance(text, str) else json.dumps(recipe)
    return put_together({"__metadata__": {"latentscape": text}} | header, body)


def with_header(change) -> bytes:
    """The good file with a changed header."""
    header, recipe, body = take_apart(good())
    header = change(header) or header
    return put_together({"__metadata__": {"latentscape": json.dumps(recipe)}} | header, body)


def with_tensors(change) -> bytes:
    """The good file with changed tensors."""
    _, recipe, _ = take_apart(good())
    tensors = safetensors.torch.load(good())
    return safetensors.torch.save(change(tensors) or tensors, metadata={"latentscape": json.dumps(recipe)})


def assert_refused(weights: bytes, match: str | None = None, name: str = "mine") -> str:
    with pytest.raises(BadInput, match=match) as caught:
        checkpoint.open_bytes(weights, name)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    assert name in text
    assert 20 < len(text) < 500
    assert "Traceback" not in text
    assert "/work" not in text
    assert "vae_core" not in text
    return text


# What was saved opens again.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("options", [{}, {"binarize": True, "beta": 4.0, "latent_dim": 1, "depth": 2}], ids=["plain", "other"])
def test_a_saved_model_opens_as_it_was(architecture, half, options):
    model = model_of(architecture=architecture, **options)
    recipe = recipe_of(model)
    opened = checkpoint.open_bytes(checkpoint.to_bytes(model, recipe, half), "mine")
    assert opened.model.config == model.config
    assert opened.half == half
    assert opened.recipe == recipe
    assert not opened.model.training
    for name, tensor in checkpoint.numbers(model).items():
        expected = tensor.half().float() if half else tensor
        assert opened.model.state_dict()[name].dtype == torch.float32
        assert torch.equal(opened.model.state_dict()[name], expected)


def test_half_precision_halves_the_file_and_moves_the_loss_by_less_than_a_twentieth_nat():
    model, images = model_of(hidden=128), tiny_set().test_images
    recipe = recipe_of(model)
    full, half = checkpoint.to_bytes(model, recipe), checkpoint.to_bytes(model, recipe, half=True)
    tensors = [safetensors.torch.load(weights) for weights in (full, half)]
    assert {tensor.dtype for tensor in tensors[0].values()} == {torch.float32}
    assert {tensor.dtype for tensor in tensors[1].values()} == {torch.float16}
    assert len(half) < 0.55 * len(full)
    losses = [
        evaluate.elbo_terms(checkpoint.open_bytes(weights, "m").model, images).loss.mean().item() for weights in (full, half)
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    assert losses[0] == pytest.approx(evaluate.elbo_terms(model, images).loss.mean().item(), abs=1e-5)


def test_saving_leaves_the_model_as_it_was():
    model = model_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    checkpoint.to_bytes(model, recipe_of(model), half=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_an_opened_model_can_be_trained_on():
    opened = checkpoint.open_bytes(good(), "mine").model
    x = torch.rand(4, 1, 8, 8)
    logits, _, _ = opened(x, torch.zeros(4, 2))
    logits.sum().backward()
    assert all(parameter.device.type == "cpu" for parameter in opened.parameters())
    assert opened.decoder[-1].bias.grad is not None


def test_the_digest_is_the_sha256_of_the_file():
    assert checkpoint.open_bytes(good(), "mine").digest == hashlib.sha256(good()).hexdigest()


def test_the_pair_on_disk_holds_what_the_issue_asks_of_a_recipe(tmp_path):
    model = model_of()
    weights = checkpoint.to_bytes(model, recipe_of(model))
    checkpoint.save(tmp_path / "new" / "folder", "mine", weights, recipe_of(model))
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["mine.json", "mine.safetensors"]
    recipe = json.loads((folder / "mine.json").read_text())
    assert recipe["weights_sha256"] == hashlib.sha256((folder / "mine.safetensors").read_bytes()).hexdigest()
    assert recipe["schema_version"] == checkpoint.SCHEMA_VERSION
    assert recipe["data"]["digest"] == tiny_set().digest
    assert recipe["config"]["latent_dim"] == 2
    assert {"command", "versions", "epochs", "metrics", "training"} <= recipe.keys()
    assert {"python", "torch", "latentscape"} <= recipe["versions"].keys()


@pytest.mark.parametrize("ending", ["", ".json", ".safetensors"])
def test_the_pair_opens_by_either_name(tmp_path, ending):
    checkpoint.save(tmp_path, "mine", good(), recipe_of(model_of()))
    opened = checkpoint.open_file(tmp_path / f"mine{ending}")
    assert (opened.name, opened.digest) == ("mine", hashlib.sha256(good()).hexdigest())


def test_a_name_with_a_dot_opens_itself_and_not_its_neighbour(tmp_path):
    for seed, name in enumerate(("mnist-2d", "mnist-2d.old")):
        model = model_of(seed)
        checkpoint.save(tmp_path, name, checkpoint.to_bytes(model, recipe_of(model, name)), recipe_of(model, name))
    assert checkpoint.open_file(tmp_path / "mnist-2d.safetensors").recipe.title == "mnist-2d"
    assert checkpoint.open_file(tmp_path / "mnist-2d.old.safetensors").recipe.title == "mnist-2d.old"


def test_a_recipe_survives_json_word_for_word():
    recipe = recipe_of(model_of(), "Zweidimensional – 二次元 😀")
    text = checkpoint.recipe_json(recipe, good())
    again = checkpoint.read_recipe(text.encode(), "mine")
    assert again.weights_sha256 == hashlib.sha256(good()).hexdigest()
    assert again.model_copy(update={"weights_sha256": None}) == recipe


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("extreme", [{"hidden": 4096, "depth": 12}, {"hidden": 4096, "image_shape": (4, 128, 128)}], ids=str)
def test_a_model_that_can_be_set_up_is_never_too_large_to_be_opened(architecture, extreme):
    config = None
    with contextlib.suppress(BadInput):  # either it is refused at once, or what it learns can be opened
        config = VAEConfig(architecture, **extreme)
    if config is None:
        return
    with torch.device("meta"):
        weights = 2 * sum(parameter.numel() for parameter in VAE(config).parameters())  # in float16
    assert weights <= checkpoint.MAX_BYTES


# A kill at any moment.


def states_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def old_and_new(tmp_path):
    """A folder with an older checkpoint, its weights, and the weights and recipe that are to replace it."""
    older, newer = model_of(1), model_of(2)
    old = checkpoint.to_bytes(older, recipe_of(older, "old"))
    checkpoint.save(tmp_path, "mine", old, recipe_of(older, "old"))
    recipe = recipe_of(newer, "new")
    return tmp_path, old, checkpoint.to_bytes(newer, recipe), recipe


class Kill(BaseException):
    """The process ends here."""


def kill_at(patch, moment: int) -> None:
    """Let the process die at the given one of all the writes, syncs and renames from now on."""
    count = iter(range(1000))
    for module, name in ((os, "replace"), (os, "fsync")):
        real = getattr(module, name)

        def step(*arguments, real=real, **options):
            if next(count) == moment:
                raise Kill
            return real(*arguments, **options)

        patch.setattr(module, name, step)


@pytest.mark.parametrize("call", [0, 1])
def test_a_kill_at_a_rename_leaves_a_whole_pair(old_and_new, monkeypatch, call):
    folder, old, new, recipe = old_and_new
    real, count = os.replace, iter(range(10))

    def replace(*arguments):
        if next(count) == call:
            raise Kill
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(Kill):
            checkpoint.save(folder, "mine", new, recipe)
    opened = checkpoint.open_file(folder / "mine")
    assert opened.recipe.title == ("old", "new")[call]
    assert opened.digest == hashlib.sha256((old, new)[call]).hexdigest()
    checkpoint.save(folder, "mine", new, recipe)
    assert checkpoint.open_file(folder / "mine").recipe.title == "new"
    assert sorted(states_of(folder)) == ["mine.json", "mine.safetensors"]


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_at_any_moment_of_a_first_save_leaves_nothing_or_a_whole_pair(tmp_path, monkeypatch, moment):
    with monkeypatch.context() as patch:
        kill_at(patch, moment)
        with pytest.raises(Kill):
            checkpoint.save(tmp_path, "mine", good(), recipe_of(model_of()))
    if (tmp_path / "mine.safetensors").exists():
        assert checkpoint.open_file(tmp_path / "mine").recipe.title == "Tiny"
    else:
        with pytest.raises(BadInput, match="cannot be read"):
            checkpoint.open_file(tmp_path / "mine")


@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("second", range(4))
def test_a_second_kill_in_the_save_after_a_killed_save_leaves_a_whole_pair_too(old_and_new, monkeypatch, first, second):
    folder, _, new, recipe = old_and_new
    newest = model_of(3)
    for moment, weights, described in (
        (first, new, recipe), (second, checkpoint.to_bytes(newest, recipe_of(newest, "newest")), recipe_of(newest, "newest"))
    ):
        with monkeypatch.context() as patch:
            kill_at(patch, moment)
            with pytest.raises(Kill):
                checkpoint.save(folder, "mine", weights, described)
    assert checkpoint.open_file(folder / "mine").recipe.title in ("old", "new", "newest")


def test_a_half_written_file_aside_harms_nothing(old_and_new):
    folder, old, _, _ = old_and_new
    (folder / "mine.json.new").write_bytes(b'{"schema_version": 1, "ti')
    (folder / "mine.safetensors.new").write_bytes(old[:100])
    assert checkpoint.open_file(folder / "mine").recipe.title == "old"


def test_a_full_disk_is_told_and_the_old_pair_stays(old_and_new, monkeypatch):
    folder, old, new, recipe = old_and_new

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="could not be written") as caught:
        checkpoint.save(folder, "mine", new, recipe)
    assert "No space left on device" in str(caught.value)
    assert str(folder) not in str(caught.value)
    assert checkpoint.open_file(folder / "mine").digest == hashlib.sha256(old).hexdigest()


class SmallDisk:
    """Has room for so many bytes; then every write fails as on a full disk."""

    def __init__(self, room: int):
        self.room = room

    def open(self, path, mode):
        file = open(path, mode, buffering=0)  # noqa: SIM115 (closed by the writer)
        write = file.write

        class Writer:
            def __enter__(self):
                return self

            def __exit__(self, *_):
                file.close()

            flush = staticmethod(lambda: None)
            fileno = staticmethod(file.fileno)

            @staticmethod
            def write(content):
                part = content[: self.room]
                self.room -= write(part)
                if len(part) < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        return Writer()


@pytest.mark.parametrize("share", [0, 0.02, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("before", [False, True])
def test_a_disk_that_fills_up_at_any_byte_leaves_nothing_partial(tmp_path, monkeypatch, share, before):
    new, recipe = good(), recipe_of(model_of())
    if before:
        old = model_of(1)
        checkpoint.save(tmp_path, "mine", checkpoint.to_bytes(old, recipe_of(old, "old")), recipe_of(old, "old"))
    present = states_of(tmp_path)
    disk = SmallDisk(int(share * (len(new) + len(checkpoint.recipe_json(recipe, new)))))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "open", disk.open, raising=False)
        with pytest.raises(BadInput, match="No space left on device") as caught:
            checkpoint.save(tmp_path, "mine", new, recipe)
    assert "free some space" in str(caught.value)
    assert states_of(tmp_path) == present
    if before:
        assert checkpoint.open_file(tmp_path / "mine").recipe.title == "old"
    checkpoint.save(tmp_path, "mine", new, recipe)  # when there is room again
    assert checkpoint.open_file(tmp_path / "mine").recipe.title == "Tiny"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="could not be written") as caught:
        checkpoint.save(tmp_path / "file" / "below", "mine", good(), recipe_of(model_of()))
    assert str(tmp_path) not in str(caught.value)


# Files on this machine that do not fit together.


def test_a_file_whose_hash_does_not_match_its_recipe_is_refused(tmp_path):
    checkpoint.save(tmp_path, "mine", good(), recipe_of(model_of()))
    path = tmp_path / "mine.safetensors"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(bytes(changed))
    checkpoint.open_bytes(bytes(changed), "mine")  # by itself it would open
    with pytest.raises(BadInput, match=r"does not match the SHA-256 in its recipe mine\.json"):
        checkpoint.open_file(tmp_path / "mine")


def test_weights_without_their_recipe_beside_them_open_by_the_one_in_them(tmp_path):
    checkpoint.save(tmp_path, "mine", good(), recipe_of(model_of()))
    (tmp_path / "mine.json").unlink()
    assert checkpoint.open_file(tmp_path / "mine").digest == hashlib.sha256(good()).hexdigest()
    (tmp_path / "mine.safetensors").write_bytes(good()[:-1])
    with pytest.raises(BadInput) as caught:
        checkpoint.open_file(tmp_path / "mine")
    assert ".json" not in str(caught.value)  # which is not there
    with pytest.raises(BadInput, match="cannot be read") as caught:
        checkpoint.open_file(tmp_path / "absent")
    assert str(tmp_path) not in str(caught.value)


def test_a_recipe_without_a_hash_vouches_for_nothing(tmp_path):
    checkpoint.save(tmp_path, "mine", good(), recipe_of(model_of()))
    recipe = json.loads((tmp_path / "mine.json").read_text()) | {"weights_sha256": None}
    (tmp_path / "mine.json").write_text(json.dumps(recipe))
    with pytest.raises(BadInput, match="SHA-256"):
        checkpoint.open_file(tmp_path / "mine")


def test_a_file_above_the_limit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    with open(tmp_path / "mine.safetensors", "wb") as file:
        file.truncate(checkpoint.MAX_BYTES + 1)
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(BadInput, match="larger than 64 MB"):
        checkpoint.open_file(tmp_path / "mine")


def test_an_upload_above_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(checkpoint, "MAX_BYTES", len(good()) - 1)
    assert_refused(good(), "larger than")


# Pickle.


class Bomb:
    """Unpickled, it writes its canary."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return (open, (str(self.canary), "w"))


@pytest.mark.parametrize("ending", ["safetensors", "pt", "pth", "pkl"])
@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch"])
def test_a_pickle_is_refused_unopened(tmp_path, kind, ending):
    canary, path = tmp_path / "canary", tmp_path / f"model.{ending}"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(canary)))
    else:
        torch.save({"weight": Bomb(canary)}, path, _use_new_zipfile_serialization=kind == "torch")
    if kind == "pickle" and ending == "pkl":  # the payload is live
        pickle.loads(path.read_bytes()).close()
        assert canary.exists()
        canary.unlink()
    assert_refused(path.read_bytes(), "never pickle", name=path.name)
    with pytest.raises(BadInput):
        checkpoint.open_file(path)
    assert not canary.exists()


def test_a_pickle_inside_a_whole_header_is_refused_unopened(tmp_path):
    canary = tmp_path / "canary"
    payload = pickle.dumps(Bomb(canary))
    header, recipe, body = take_apart(good())
    assert_refused(put_together({"__metadata__": {"latentscape": json.dumps(recipe)}} | header, payload + body[len(payload):]
                                + payload))
    assert_refused(put_together("{}", payload))
    assert_refused(struct.pack("<Q", len(payload)) + payload, "never pickle")
    assert not canary.exists()


# Headers.


SMALL_LENGTHS = [0, 1, 2, 7, len(good()) - 8, len(good()) - 7, len(good())]


@pytest.mark.parametrize("length", [*SMALL_LENGTHS, 2**20, 2**20 + 1, 100_000_000, 2**31, 2**32, 2**63, 2**64 - 1])
def test_a_wrong_header_length_is_refused(length):
    assert_refused(struct.pack("<Q", length) + good()[8:])


def test_a_bloated_header_is_refused_by_its_first_eight_bytes(monkeypatch):
    bloated = put_together('{"a": "' + "x" * checkpoint.MAX_HEADER + '"}', b"")
    monkeypatch.setattr(checkpoint, "_strict_json", lambda *_: pytest.fail("the header was read"))
    assert_refused(bloated, "has a header of 1,048,585 bytes; at most 1,048,576 are read")


FAULTY_HEADERS = {
    "nothing": "{}",
    "a list": "[1, 2]",
    "cut": '{"a": ',
    "deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "a number of 5,000 digits": '{"a": ' + "9" * 5000 + "}",
    "NaN": '{"a": NaN}',
    "not UTF-8": None,
    "metadata is a list": '{"__metadata__": []}',
    "metadata is null": '{"__metadata__": null}',
    "metadata without a recipe": '{"__metadata__": {"format": "pt"}}',
    "a recipe that is a dict": '{"__metadata__": {"latentscape": {}}}',
    "a recipe that is empty": '{"__metadata__": {"latentscape": ""}}',
    "a recipe that is a list": '{"__metadata__": {"latentscape": "[]"}}',
    "a recipe with half a character": '{"__metadata__": {"latentscape": "\\ud800"}}',
    "a deep recipe": '{"__metadata__": {"latentscape": "' + "[" * 50_000 + '"}}',
}


@pytest.mark.parametrize("name", FAULTY_HEADERS)
def test_a_malformed_header_is_refused(name):
    text = FAULTY_HEADERS[name]
    assert_refused(put_together(text, b"") if text is not None else struct.pack("<Q", 4) + b'{"\xff}')


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 100, len(good()) // 2, len(good()) - 1])
def test_a_file_that_was_cut_is_refused(cut):
    assert_refused(good()[:cut])


@pytest.mark.parametrize("more", [b"\0", b"\0" * 4096, good()])
def test_bytes_after_the_last_tensor_are_refused(more):
    assert_refused(good() + more)


def test_duplicate_keys_in_the_header_are_refused():
    header, recipe, body = take_apart(good())
    name = next(iter(header))
    text = json.dumps({"__metadata__": {"latentscape": json.dumps(recipe)}} | header)
    double = text[:-1] + f', "{name}": {json.dumps(header[name])}}}'
    assert json.loads(double).keys() == json.loads(text).keys()
    assert_refused(put_together(double, body), "each key once")
    nested = text.replace('"dtype": "F32"', '"dtype": "I64", "dtype": "F32"', 1)
    assert nested != text
    assert_refused(put_together(nested, body), "each key once")


def test_duplicate_keys_in_the_recipe_are_refused():
    assert_refused(with_recipe(lambda recipe: json.dumps(recipe)[:-1] + ', "title": "other"}'), "each key once")
    nested = with_recipe(lambda recipe: json.dumps(recipe).replace('"latent_dim": 2', '"latent_dim": 9, "latent_dim": 2'))
    assert len(nested) > len(good())
    assert_refused(nested, "each key once")


def test_the_helpers_of_these_tests_build_files_that_open():
    for weights in (with_recipe(lambda recipe: None), with_header(lambda header: None), with_tensors(lambda tensors: None)):
        assert checkpoint.open_bytes(weights, "mine").recipe.title == "Tiny"


# Tensors.


BIAS, WEIGHT = "decoder.2.bias", "decoder.2.weight"
FAULTY_TENSORS = {
    "wrong shape": lambda t: t | {BIAS: torch.zeros(63)},
    "turned": lambda t: t | {WEIGHT: t[WEIGHT].T.contiguous()},
    "flattened": lambda t: t | {WEIGHT: t[WEIGHT].flatten()},
    "one dimension more": lambda t: t | {BIAS: t[BIAS][None]},
    "empty": lambda t: t | {BIAS: torch.zeros(0)},
    "extra": lambda t: t | {"decoder.9.weight": torch.zeros(3)},
    "extra and empty": lambda t: t | {"x": torch.zeros(0)},
    "missing": lambda t: {k: v for k, v in t.items() if k != BIAS},
    "all missing": lambda t: {"x": torch.zeros(1)},
    "renamed": lambda t: {f"module.{k}": v for k, v in t.items()},
    "integers": lambda t: t | {BIAS: torch.zeros(64, dtype=torch.int64)},
    "bytes": lambda t: t | {BIAS: torch.zeros(64, dtype=torch.uint8)},
    "truth values": lambda t: t | {BIAS: torch.zeros(64, dtype=torch.bool)},
    "complex": lambda t: t | {BIAS: torch.zeros(64, dtype=torch.complex64)},
    "doubles": lambda t: t | {BIAS: torch.zeros(64, dtype=torch.float64)},
    "NaN": lambda t: t | {BIAS: torch.full((64,), torch.nan)},
    "one NaN": lambda t: t | {WEIGHT: t[WEIGHT].index_put((torch.tensor(3), torch.tensor(2)), torch.tensor(torch.nan))},
    "infinite": lambda t: t | {BIAS: torch.full((64,), torch.inf)},
    "minus infinite": lambda t: t | {BIAS: torch.full((64,), -torch.inf)},
    "NaN in half precision": lambda t: t | {BIAS: torch.full((64,), torch.nan).half()},
}


@pytest.mark.parametrize("name", FAULTY_TENSORS)
def test_tensors_that_the_recipe_does_not_describe_are_refused(name):
    text = assert_refused(with_tensors(FAULTY_TENSORS[name]))
    assert ("finite" in text) == ("NaN" in name or "infinite" in name)


FAULTY_ENTRIES = {
    "dtype": [[], {}, None, 32, True, "f32", "F8_E4M3", "<script>"],
    "shape": [[], {}, None, 64, "64", [-64], [64.0], [64, 1], [2**62, 4], [True]],
    "data_offsets": [[], None, [0, 0], [-256, 0], [0, 2**63], [256, 0], [0.0, 256.0], "x"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FAULTY_ENTRIES.items() for value in values])
def test_a_faulty_entry_of_a_tensor_is_refused(key, value):
    assert_refused(with_header(lambda header: header | {BIAS: header[BIAS] | {key: value}}))


@pytest.mark.parametrize("entry", [None, [], 0, "F32", {}, True])
def test_a_tensor_that_is_no_object_is_refused(entry):
    assert_refused(with_header(lambda header: header | {BIAS: entry}))


def test_tensors_that_share_bytes_are_refused():
    assert_refused(with_header(lambda h: h | {WEIGHT: h[WEIGHT] | {"data_offsets": h["encoder.0.weight"]["data_offsets"]}}))


# Recipes.


FAULTY_CONFIGS = [
    {"latent_dim": 10**9}, {"latent_dim": -2}, {"latent_dim": 0}, {"latent_dim": 2.0}, {"latent_dim": "2"},
    {"latent_dim": None}, {"latent_dim": 10**400}, {"latent_dim": True}, {"latent_dim": [2]},
    {"hidden": -8}, {"hidden": 10**9}, {"hidden": 4096}, {"depth": 10**9}, {"depth": 12}, {"depth": -1},
    {"architecture": "transformer"}, {"architecture": ["mlp"]}, {"architecture": None}, {"architecture": "a" * 100_000},
    {"architecture": "__class__"}, {"architecture": "residual"},
    {"reduction": "max"}, {"reduction": []}, {"beta": -1}, {"beta": 1e12}, {"beta": "1"}, {"beta": None},
    {"image_shape": [1, 8]}, {"image_shape": 64}, {"image_shape": "abc"}, {"image_shape": [1, 8, 10**9]},
    {"image_shape": None}, {"image_shape": [1, 8, -8]}, {"image_shape": [[1], 8, 8]}, {"image_shape": [1, 64, 1, 1]},
    {"image_shape": list(range(10**4))},
    {"binarize": "no"}, {"binarize": None}, {"unknown": 1}, {"self": 1}, {"": 1}, {"__init__": {}}, {"pixels": 3},
]


@pytest.mark.parametrize("values", FAULTY_CONFIGS, ids=lambda values: str(values)[:50])
def test_a_recipe_that_asks_for_the_impossible_is_refused_before_anything_is_allocated(values, monkeypatch):
    monkeypatch.setattr(safetensors.torch, "load", lambda raw: pytest.fail("the tensors were read"))
    assert_refused(with_recipe(lambda recipe: recipe["config"].update(values)))


def test_the_largest_model_is_checked_without_the_memory_it_would_need():
    import resource

    weights = with_recipe(lambda recipe: recipe["config"].update(hidden=4096, depth=12, image_shape=[4, 128, 128]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(weights)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB; the weights would take 2.8 GB


@pytest.mark.parametrize("version", [2, 3, 10**9, 10**400])
def test_a_later_format_is_told_apart_from_a_damaged_one(version):
    def later(recipe):
        recipe["schema_version"] = version
        recipe["a thing of the future"] = {"x": 1}

    assert_refused(with_recipe(later), "later Latentscape")


def change(key, value):
    def apply(recipe):
        recipe[key] = value

    return apply


def drop(key):
    return lambda recipe: recipe.pop(key) and None


FAULTY_RECIPES = {
    **{f"no {key}": drop(key) for key in ("schema_version", "kind", "title", "config", "data", "training", "metrics")},
    "unknown kind": change("kind", "nonsense"),
    "kind is a list": change("kind", ["vae"]),
    "version is text": change("schema_version", "1"),
    "version is true": change("schema_version", True),
    "version is a fraction": change("schema_version", 1.5),
    "extra key": change("extra", 1),
    "long title": change("title", "x" * 201),
    "title is a number": change("title", 3),
    "title with half a character": change("title", "\ud800"),
    "config is a list": change("config", []),
    "data is text": change("data", "mnist"),
    "digest is no hash": change("data", {"name": "mnist", "digest": "../../etc/passwd", "classes": []}),
    "too many classes": change("data", {"name": "mnist", "digest": "0" * 64, "classes": ["x"] * 1001}),
    "long command": change("command", "x" * 4001),
    "metric is text": change("metrics", {"test_loss": "33"}),
    "metric is NaN": lambda recipe: json.dumps(recipe).replace("33.25", "NaN"),
    "metric is Infinity": lambda recipe: json.dumps(recipe).replace("33.25", "-Infinity"),
    "metric overflows": lambda recipe: json.dumps(recipe).replace("33.25", "1e999"),
    "epoch overflows": lambda recipe: json.dumps(recipe).replace('{"epoch": 1}', '{"epoch": 1e999}'),
    "training overflows": lambda recipe: json.dumps(recipe).replace('"lr": 0.001', '"lr": 1e999'),
    "training with half a character": change("training", {"device": "\ud800"}),
    "epochs are text": change("epochs", "all"),
    "hash is short": change("weights_sha256", "abc"),
    "larger than a megabyte": change("command", "x" * 2**20),
}


@pytest.mark.parametrize("name", FAULTY_RECIPES)
def test_a_faulty_recipe_is_refused(name):
    assert_refused(with_recipe(FAULTY_RECIPES[name]))


def test_a_recipe_that_says_it_is_larger_than_allowed_is_not_parsed():
    with pytest.raises(BadInput, match="larger than 1 MB"):
        checkpoint.read_recipe(b" " * (checkpoint.MAX_RECIPE + 1), "mine")


MARKUP = [
    "<script>alert(1)</script>", "![](http://x/y.png)", "[a](javascript:b)", "$\\int$", "\u202etxt.exe", "a\0b", "../../x",
    ":red[x]",
]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_in_names_is_only_text(tmp_path, text):
    def rename(recipe):
        recipe["title"] = recipe["command"] = recipe["data"]["name"] = text
        recipe["data"]["classes"] = [text] * 10

    opened = checkpoint.open_bytes(with_recipe(rename), "mine")
    assert opened.recipe.title == opened.recipe.data.classes[9] == text
    checkpoint.save(tmp_path, checkpoint.safe_name(text), with_recipe(rename), opened.recipe)
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 2
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.") for name in names)
    assert checkpoint.open_file(tmp_path / checkpoint.safe_name(text)).recipe.title == text


@pytest.mark.parametrize("text", [*MARKUP, "a\nb"])
def test_an_unknown_key_with_markup_gives_one_short_line(text):
    assert_refused(with_recipe(change(text + "x" * 5000, 1)), "wrong entry")


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_makes_a_safe_file_name(text):
    name = checkpoint.safe_name(text)
    assert 1 <= len(name) <= 60
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
    assert checkpoint.safe_name(name).strip("-") == name.strip("-")


# Anything at all.


def opens_or_is_refused(weights: bytes) -> None:
    """Nothing but BadInput comes out, and what opens can be used and saved again."""
    refusal, opened = "", None
    try:
        opened = checkpoint.open_bytes(weights, "mine")
    except BadInput as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(refusal) < 500
    if opened:
        assert all(torch.isfinite(tensor).all() for tensor in opened.model.state_dict().values())
        again = checkpoint.to_bytes(opened.model, opened.recipe)
        checkpoint.recipe_json(opened.recipe, again)
        assert checkpoint.open_bytes(again, "mine").recipe == opened.recipe


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=150)
def test_random_bytes_never_raise_anything_else(noise):
    opens_or_is_refused(noise)
    opens_or_is_refused(struct.pack("<Q", len(noise)) + noise)
    opens_or_is_refused(put_together({"__metadata__": {"latentscape": noise.decode("latin1")}}, noise))


HEADER_END = 8 + struct.unpack("<Q", good()[:8])[0]
PLACES = st.one_of(st.integers(0, HEADER_END), st.integers(0, len(good()) - 1))


@given(st.lists(st.tuples(PLACES, st.sampled_from(["set", "insert", "delete"]), st.binary(min_size=1, max_size=4)), max_size=6))
@settings(deadline=None, max_examples=200)
def test_random_damage_to_a_good_file_never_raises_anything_else(damage):
    weights = bytearray(good())
    for place, action, content in damage:
        end = place if action == "insert" else place + len(content)
        weights[place:end] = b"" if action == "delete" else content
    opens_or_is_refused(bytes(weights))


ODD = st.sampled_from(["\ud800", 10**300, "F16", "a\nb"])
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), ODD),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=4,
)


def paths_of(tree, path=()) -> list[tuple]:
    """The way to every value in nested dicts and lists."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(p for key, value in inner for p in paths_of(value, (*path, key)))]


def replaced(tree, path: tuple, value):
    if not path:
        return value
    copy = tree.copy()
    copy[path[0]] = replaced(tree[path[0]], path[1:], value)
    return copy


HEADER, RECIPE, _ = take_apart(good())
WHERE = [("header", path) for path in paths_of(HEADER)] + [("recipe", path) for path in paths_of(RECIPE)]


@given(st.sampled_from(WHERE), JSON)
@settings(deadline=None, max_examples=300)
def test_any_json_anywhere_in_header_and_recipe_never_raises_anything_else(where, value):
    header, recipe, body = take_apart(good())
    part, path = where
    if part == "header":
        header = replaced(header, path, value)
    else:
        recipe = replaced(recipe, path, value)
    metadata = {"__metadata__": {"latentscape": json.dumps(recipe)}}
    opens_or_is_refused(put_together(metadata | header if isinstance(header, dict) else json.dumps(header), body))


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=100)
def test_random_bytes_for_a_recipe_never_raise_anything_else(noise):
    with pytest.raises(BadInput):
        checkpoint.read_recipe(noise, "mine")


@pytest.mark.parametrize("name", ["mnist-2d", "mnist-ae-30", "shapes-conv"])
def test_a_shipped_model_is_loaded_by_its_name_ready_to_encode_and_decode(name):
    model, opened = vae_core.load(name), checkpoint.open_file(checkpoint.SHIPPED / name).model
    x = torch.rand(3, *model.config.image_shape)
    codes = model.codes(x)
    images = model.decode(codes)
    assert not model.training
    assert not codes.requires_grad
    assert codes.shape == (3, model.config.latent_dim)
    assert images.shape == x.shape
    torch.testing.assert_close(codes, opened.codes(x))


@pytest.mark.parametrize("ending", ["", ".json", ".safetensors"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_loaded_by_its_path_and_comes_before_a_shipped_name(tmp_path, monkeypatch, ending, kind):
    checkpoint.save(tmp_path, "mnist-2d", good(), recipe_of(model_of()))
    monkeypatch.chdir(tmp_path)
    for path in (kind(tmp_path / f"mnist-2d{ending}"), kind(f"mnist-2d{ending}")):
        assert vae_core.load(path).config == model_of().config


@pytest.mark.parametrize("name", ["mnist-3d", "nowhere/mnist-2d", "", "~nobody/mine", "x" * 500])
def test_a_name_that_nothing_has_is_told_with_those_there_are(name):
    with pytest.raises(BadInput, match=r"(?s)no checkpoint .*mnist-2d-tutorial") as caught:
        vae_core.load(name)
    assert len(str(caught.value)) < 600


# The zip file that a training is downloaded as.


def zipped(files: dict[str, bytes], **how) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", **how) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return packed.getvalue()


def test_what_was_downloaded_opens_as_it_was(tmp_path):
    packed = checkpoint.bundle("mine", good())
    assert checkpoint.unbundled(packed, "mine.zip") == ("mine", good())
    (tmp_path / "download (1).zip").write_bytes(packed)
    assert vae_core.load(tmp_path / "download (1).zip").config == model_of().config
    assert checkpoint.open_file(tmp_path / "download (1).zip").digest == hashlib.sha256(good()).hexdigest()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_file_that_was_packed_again_opens_too(compression):
    files = {"mine/mine.safetensors": good(), "__MACOSX/mine/._mine.safetensors": b"x", "mine/.DS_Store": b"x"}
    assert checkpoint.unbundled(zipped(files, compression=compression), "mine.zip") == ("mine", good())


SIGNED = checkpoint.recipe_json(recipe_of(model_of()), good()).encode()


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"a.png": b"x"}, "holds no .safetensors"), ({"a.safetensors": good(), "b.safetensors": good()}, "holds 2"),
        ({"a.safetensors": b""}, "empty"), ({"a.safetensors": good(), "a.json": b"{}"}, "recipe"),
        ({"a.safetensors": b"\x80\x04pickle"}, "not a safetensors file"),
        ({"a.safetensors": good()[:-4] + b"1234", "a.json": SIGNED}, "SHA-256"),
    ],
)
def test_a_zip_file_without_one_whole_model_is_refused_in_a_sentence(tmp_path, files, match):
    (tmp_path / "mine.zip").write_bytes(zipped(files))
    with pytest.raises(BadInput, match=match) as caught:
        checkpoint.open_file(tmp_path / "mine.zip")
    assert str(tmp_path) not in str(caught.value)


def test_a_zip_file_that_unpacks_to_too_much_is_refused_whatever_it_declares(monkeypatch):
    packed = bytearray(zipped({"a.safetensors": bytes(50_000)}, compression=zipfile.ZIP_DEFLATED))
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 20_000)
    with pytest.raises(BadInput, match="unpacks to more"):
        checkpoint.unbundled(bytes(packed), "mine.zip")
    size = struct.pack("<L", 50_000)
    while (at := packed.find(size)) >= 0:
        packed[at : at + 4] = struct.pack("<L", 10_000)
    with pytest.raises(BadInput, match=r"^mine.zip "):
        checkpoint.unbundled(bytes(packed), "mine.zip")


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_damage_to_a_zip_file_never_raises_anything_else(data):
    packed = bytearray(checkpoint.bundle("mine", good()))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, 200) | st.integers(len(packed) - 400, len(packed) - 1))
        packed[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadInput):
        checkpoint.unbundled(bytes(packed), "mine.zip")


def test_a_zip_file_that_is_none_and_one_that_is_not_there_are_told(tmp_path):
    (tmp_path / "mine.zip").write_bytes(b"no zip file")
    for name in ("mine.zip", "yours.zip"):
        with pytest.raises(BadInput, match=name):
            checkpoint.open_file(tmp_path / name)
