"""The command line: one JSON object a line, one sentence for a bad value, nothing lost by Ctrl-C or by a second run."""

import itertools
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PATIENCE, wait_until
from PIL import Image

from vae_core import checkpoint, evaluate, train, train_cli, train_state
from vae_core.data import load
from vae_core.errors import BadInput
from vae_core.models import FAMILIES, vae
from vae_core.train_cli import main

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
KEYS = {"epoch", "train_loss", "test_loss", "test_recon", "test_kl", "seconds", "images_per_second"}
QUICK = [  # two epochs of twelve batches
    "--data", "digits", "--hidden", "16", "--latent-dim", "2", "--epochs", "2", "--batch-size", "128", "--lr", "1e-3",
    "--precision", "fp32", "--device", "cpu",
]


def run(capsys, *arguments) -> tuple[int, list[str], list[str]]:
    """The command in this process: exit code, lines on stdout, lines on stderr."""
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as left:
        code = left.code
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def losses(lines: list[str]) -> list[tuple]:
    """What each epoch told, without what the clock put into it."""
    told = ("epoch", "train_loss", "test_loss", "test_recon", "test_kl")
    return [tuple(json.loads(line)[key] for key in told) for line in lines]


def assert_refused(code: int, out: list[str], err: list[str]) -> str:
    assert code == 2
    assert out == []
    assert len(err) == 1
    assert err[0].endswith(".")
    assert "Traceback" not in err[0]
    assert len(err[0]) < 400
    return err[0]


# One run.


def test_each_epoch_is_one_json_object_with_exactly_the_promised_keys(tmp_path, capsys):
    code, out, err = run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    assert (code, err) == (0, [])
    records = [json.loads(line) for line in out]
    assert [record["epoch"] for record in records] == [1, 2]
    assert [set(record) for record in records] == [KEYS, KEYS]
    assert all(isinstance(record[key], (int, float)) for record in records for key in KEYS)


def test_the_numbers_of_an_epoch_fit_together(tmp_path, capsys):
    _, out, _ = run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--beta", "3")
    first, last = map(json.loads, out)
    for record in (first, last):
        assert record["test_loss"] == pytest.approx(record["test_recon"] + record["test_kl"])  # beta left out
    assert 0 < first["seconds"] < last["seconds"]
    assert last["images_per_second"] == pytest.approx(1437 / (last["seconds"] - first["seconds"]), rel=1e-6)


def test_the_checkpoint_is_the_model_that_the_last_line_told_of(tmp_path, capsys):
    _, out, _ = run(capsys, *QUICK, "--out", tmp_path / "my run", "--json", "--seed", "5", "--binarize", "--title", "Mine")
    opened = checkpoint.open_file(tmp_path / "my run" / "checkpoint")
    loss = evaluate.elbo_terms(opened.model, load("digits").test_images, seed=5).loss.mean().item()
    assert loss == pytest.approx(json.loads(out[-1])["test_loss"], abs=0.05)
    assert opened.recipe.title == "Mine"
    assert opened.model.config.binarize
    assert opened.recipe.training["seed"] == 5
    assert opened.recipe.data.digest == load("digits").digest
    assert len(opened.recipe.epochs) == 2
    assert sorted(path.name for path in (tmp_path / "my run").iterdir()) == [
        "actual", "checkpoint.json", "checkpoint.safetensors", "recon", "samples", "state.json", "state.safetensors"
    ]


def test_the_command_in_the_recipe_trains_the_same_model_again(tmp_path, capsys):
    _, first, _ = run(capsys, *QUICK, "--out", tmp_path / "a b", "--json", "--seed", "3", "--architecture", "residual")
    command = shlex.split(checkpoint.open_file(tmp_path / "a b" / "checkpoint").recipe.command)
    assert command[:3] == ["python", "-m", "vae_core.train"]
    again = [argument if argument != str(tmp_path / "a b") else tmp_path / "c" for argument in command[3:]]
    _, second, _ = run(capsys, *again)
    assert losses(first) == losses(second)


def test_without_json_nothing_is_on_stdout_and_a_bar_is_on_stderr(tmp_path, capsys):
    code, out, err = run(capsys, *QUICK, "--out", tmp_path / "r")
    assert (code, out) == (0, [])
    assert "batch" in " ".join(err)
    assert "nats" in " ".join(err)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_both_schedules_can_be_chosen(tmp_path, capsys, schedule):
    code, _, _ = run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--schedule", schedule)
    assert code == 0
    assert checkpoint.open_file(tmp_path / "r" / "checkpoint").recipe.training["schedule"] == schedule


def test_the_signal_for_ctrl_c_is_given_back(tmp_path, capsys):
    before = signal.getsignal(signal.SIGINT)
    run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    assert signal.getsignal(signal.SIGINT) is before


def test_real_mnist_is_learned_in_one_epoch(tmp_path, capsys):
    code, out, _ = run(
        capsys, "--data", "mnist", "--hidden", "64", "--latent-dim", "8", "--epochs", "1", "--batch-size", "500",
        "--lr", "8e-3", "--precision", "fp32", "--device", "cpu", "--out", tmp_path / "r", "--json",
    )
    assert code == 0
    record = json.loads(out[0])
    assert 100 < record["test_loss"] < 200  # 784 ln 2 = 543 before
    assert record["test_kl"] > 5
    assert (tmp_path / "r" / "checkpoint.safetensors").stat().st_size < 8 * 2**20


# Not over another run.


def test_another_run_is_neither_overwritten_nor_touched(tmp_path, capsys):
    run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    before = {path: path.read_bytes() for path in (tmp_path / "r").rglob("*.*")}
    sentence = assert_refused(*run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--seed", "1"))
    assert "--resume" in sentence
    assert "--overwrite" in sentence
    assert {path: path.read_bytes() for path in (tmp_path / "r").rglob("*.*")} == before


@pytest.mark.parametrize("left", ["state.safetensors", "checkpoint.safetensors"])
def test_half_a_run_counts_as_a_run(tmp_path, capsys, left):
    (tmp_path / left).write_bytes(b"somebody's")
    assert_refused(*run(capsys, *QUICK, "--out", tmp_path, "--json"))
    assert (tmp_path / left).read_bytes() == b"somebody's"


def test_overwriting_on_request_gives_the_new_run(tmp_path, capsys):
    _, first, _ = run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    code, second, _ = run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--seed", "1", "--overwrite")
    assert code == 0
    assert losses(first) != losses(second)
    assert checkpoint.open_file(tmp_path / "r" / "checkpoint").recipe.training["seed"] == 1


# Resuming.


def stop_after(monkeypatch, records: int, number: int = signal.SIGINT) -> None:
    """Press Ctrl-C, or send another signal, after so many records."""
    real = train_cli.fit

    def interrupted(*arguments):
        for count, record in enumerate(real(*arguments), start=1):
            if count == records:
                signal.raise_signal(number)
            yield record

    monkeypatch.setattr(train_cli, "fit", interrupted)


@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("records", [1, 7, 12, 13])  # of 12 batches a pass, the last one told by its epoch
def test_a_run_stopped_by_a_signal_and_resumed_is_the_same_run(tmp_path, capsys, monkeypatch, records, number, left):
    _, whole, _ = run(capsys, *QUICK, "--out", tmp_path / "whole", "--json")
    with monkeypatch.context() as patch:
        stop_after(patch, records, number)
        code, first, err = run(capsys, *QUICK, "--out", tmp_path / "cut", "--json")
    assert (code, err) == (left, [])
    assert len(first) == records // 12
    opened = checkpoint.open_file(tmp_path / "cut" / "checkpoint")
    assert len(opened.recipe.epochs) == records // 12
    code, second, err = run(capsys, "--data", "digits", "--out", tmp_path / "cut", "--json", "--resume")
    assert (code, err) == (0, [])
    assert losses(first) + losses(second) == losses(whole)
    digests = [checkpoint.open_file(tmp_path / name / "checkpoint").model.state_dict() for name in ("whole", "cut")]
    assert all(torch.equal(tensor, digests[1][name]) for name, tensor in digests[0].items())


def test_resuming_a_finished_run_trains_no_more_and_says_so(tmp_path, capsys):
    run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    before = checkpoint.open_file(tmp_path / "r" / "checkpoint").model.state_dict()
    code, out, err = run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--resume")
    assert (code, out) == (0, [])
    assert err == [f"The run in {tmp_path / 'r'} has done its 2 epochs; give a larger --epochs to go on."]
    after = checkpoint.open_file(tmp_path / "r" / "checkpoint").model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_signal_in_the_middle_of_an_evaluation_is_heard_there(tmp_path, capsys, monkeypatch, number, parts):
    monkeypatch.setattr(evaluate, "at_once", lambda model: 50)  # of 360
    _, whole, _ = run(capsys, *QUICK, "--out", tmp_path / "whole", "--json")
    with monkeypatch.context() as patch:
        stop_after(patch, 11 + parts, number)
        code, out, _ = run(capsys, *QUICK, "--out", tmp_path / "cut", "--json")
    assert (code, out) == (128 + number, [])
    assert checkpoint.open_file(tmp_path / "cut" / "checkpoint").recipe.epochs == []
    _, out, _ = run(capsys, "--data", "digits", "--out", tmp_path / "cut", "--json", "--resume")
    assert losses(out) == losses(whole)


def test_a_signal_while_the_finished_model_is_judged_leaves_it_written(tmp_path, capsys, monkeypatch):
    real = train_cli.finish

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(train_cli, "finish", interrupted)
    code, out, _ = run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    assert (code, len(out)) == (143, 2)
    assert len(checkpoint.open_file(tmp_path / "r" / "checkpoint").recipe.epochs) == 2


def test_ctrl_c_before_there_is_a_run_is_no_traceback(tmp_path, capsys, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born deaf to it
    monkeypatch.setattr(train_cli.data, "load", lambda name: signal.raise_signal(signal.SIGINT))
    try:
        ended = run(capsys, *QUICK, "--out", tmp_path / "r")
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == (130, [], [])
    assert not (tmp_path / "r").exists()


# Resuming with more epochs, or with something else.


def test_a_constant_rate_goes_on_as_if_the_run_had_been_begun_with_more_epochs(tmp_path, capsys):
    constant = [*QUICK, "--schedule", "constant", "--json"]
    _, whole, _ = run(capsys, *constant, "--out", tmp_path / "whole", "--epochs", "4")
    _, first, _ = run(capsys, *constant, "--out", tmp_path / "r", "--title", "Mine")
    code, second, err = run(capsys, "--data", "digits", "--json", "--resume", "--epochs", "4", "--out", tmp_path / "r")
    assert (code, losses(first + second)) == (0, losses(whole))
    assert err == [f"The run in {tmp_path / 'r'} goes on from 2 to 4 epochs. Its learning rate stays constant."]
    recipe = checkpoint.open_file(tmp_path / "r" / "checkpoint").recipe
    assert (recipe.training["epochs"], recipe.title) == (4, "Mine")
    assert recipe.command.count(" && ") == 1
    assert recipe.command.endswith(f"--out {tmp_path / 'r'}")


def test_one_cycle_is_stretched_over_all_epochs_and_that_is_said(tmp_path, capsys, monkeypatch):
    rates, real = [], train.learning_rate
    monkeypatch.setattr(train, "learning_rate", lambda *arguments: rates.append(real(*arguments)) or rates[-1])
    run(capsys, *QUICK, "--out", tmp_path / "r", "--json")
    rates.clear()
    code, out, err = run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--resume", "--epochs", "4")
    assert (code, [json.loads(line)["epoch"] for line in out], len(err)) == (0, [3, 4], 1)
    assert "goes on from 2 to 4 epochs. Its cycle is stretched" in err[0]
    config = train.TrainConfig(epochs=4, lr=1e-3, peak=0.15)
    assert rates == [real(step, 48, config) for step in range(24, 48)]
    code, again, err = run(capsys, "--data", "digits", "--out", tmp_path / "r", "--json", "--resume", "--epochs", "4")
    assert (code, again, len(err)) == (0, [], 1)
    assert "has done its 4 epochs" in err[0]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--lr 0.5", ["--lr 0.001, not 0.5"]), ("--seed 7", ["--seed 0, not 7"]), ("--beta 2", ["--beta 1.0, not 2.0"]),
        ("--flip", ["no --flip"]), ("--shift 1", ["--shift 0, not 1"]), ("--batch-size 5", ["--batch-size 128, not 5"]),
        ("--kind ae", ["--kind vae, not ae"]), ("--architecture conv", ["--architecture mlp, not conv"]),
        ("--latent-dim 3 --hidden 17", ["--latent-dim 2, not 3", "--hidden 16, not 17"]), ("--binarize", ["no --binarize"]),
        ("--corruption half", ["no --corruption"]), ("--schedule constant", ["--schedule one-cycle, not constant"]),
        ("--kl-warmup 1", ["--kl-warmup 0.0, not 1.0"]), ("--precision bf16", ["--precision fp32, not bf16"]),
        ("--device cuda", ["--device cpu, not cuda"]), ("--epochs 1", ["--epochs 2, not 1"]),
        ("--epochs 4 --lr 0.5", ["--lr 0.001, not 0.5"]), ("--reduction mean", ["--reduction sum, not mean"]),
        ("--likelihood gaussian", ["--likelihood bernoulli, not gaussian"]), ("--overwrite", ["--overwrite"]),
        ("--init somewhere", ["--init"]),
    ],
)
def test_what_differs_from_the_run_is_named_and_nothing_is_touched(shared_run, capsys, words, named):
    before = {path: path.read_bytes() for path in shared_run.rglob("*.*")}
    sentence = assert_refused(*run(capsys, "--data", "digits", "--resume", "--json", "--out", shared_run, *words.split()))
    assert all(what in sentence for what in named)
    assert {path: path.read_bytes() for path in shared_run.rglob("*.*")} == before


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory):
    """The folder of a finished run: never write into it."""
    out = tmp_path_factory.mktemp("runs") / "r"
    assert main([*QUICK, "--json", "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize(
    "words", ["", "--lr 1e-3 --seed 0", "--device auto --precision auto", "--hidden 16 --kind vae --epochs 2"]
)
def test_what_is_said_again_as_it_was_is_no_difference(shared_run, capsys, words):
    code, out, err = run(capsys, "--data", "digits", "--resume", "--json", "--out", shared_run, *words.split())
    assert (code, out, len(err)) == (0, [], 1)


def test_a_run_cannot_be_extended_to_fewer_epochs():
    digits = load("digits")
    state = train.start(vae.VAEConfig(image_shape=digits.image_shape, hidden=8), digits, train.TrainConfig(epochs=3))
    with pytest.raises(BadInput, match="3 epochs; it can be given more, not 3"):
        train.extend(state, 3)


def test_resuming_what_is_not_there_is_refused(tmp_path, capsys):
    assert "no run to resume" in assert_refused(*run(capsys, *QUICK, "--out", tmp_path / "r", "--json", "--resume"))
    assert not (tmp_path / "r").exists()


def test_resuming_a_damaged_run_is_refused_and_leaves_it(tmp_path, capsys):
    run(capsys, *QUICK, "--out", tmp_path, "--json")
    raw = (tmp_path / "state.safetensors").read_bytes()
    (tmp_path / "state.safetensors").write_bytes(raw[:1000])
    assert_refused(*run(capsys, *QUICK, "--out", tmp_path, "--json", "--resume"))
    assert (tmp_path / "state.safetensors").read_bytes() == raw[:1000]


def test_resuming_with_other_data_is_refused(tmp_path, capsys):
    run(capsys, *QUICK, "--out", tmp_path, "--json")
    sentence = assert_refused(*run(capsys, "--data", "mnist", "--out", tmp_path, "--json", "--resume"))
    assert "('digits') than mnist holds now" in sentence


# Somebody's home, and a state in a model's place.


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_a_tilde_is_understood_in_every_path(home, capsys, monkeypatch):
    (home / "pictures").mkdir()
    for index in range(6):
        pixels = np.random.default_rng(index).integers(0, 256, (9, 9), dtype=np.uint8)
        Image.fromarray(pixels).save(home / "pictures" / f"{index}.png")
    folder = ["--data", "folder:~/pictures", "--image-size", "8", "--kind", "ae", "--hidden", "2", "--epochs", "1", "--json"]
    assert run(capsys, *folder, "--out=~/runs/one")[0] == 0
    assert run(capsys, *folder, "--init", "~/runs/one/checkpoint", "--out=~/runs/two")[0] == 0
    assert sorted(path.name for path in (home / "runs").iterdir()) == ["one", "two"]
    from vae_core import data, inpainting_cli

    assert inpainting_cli._parser().parse_args(["--checkpoints=~/runs"]).checkpoints.path == home / "runs"
    monkeypatch.setenv("LATENTSCAPE_DATA", "~/sets")
    assert data._downloads() == home / "sets"
    assert [path.name for path in home.parent.iterdir()] == ["home"]  # nothing is called ~


@pytest.mark.parametrize(
    "words", ["--out ~nobody-has-it/x", "--init ~nobody-has-it/x --out r", "--data folder:~nobody-has-it/x --out r"]
)
def test_a_home_that_nobody_has_is_told(home, capsys, words):
    assert "no home for '~nobody-has-it'" in assert_refused(*run(capsys, *QUICK, *words.split()))
    assert list(home.parent.iterdir()) == [home]


def test_a_state_opened_as_a_model_says_which_file_to_open(tmp_path, capsys, shared_run):
    raw = (shared_run / "state.safetensors").read_bytes()
    (tmp_path / "copied.safetensors").write_bytes(raw)
    for path in (shared_run / "state", shared_run / "state.safetensors", tmp_path / "copied"):
        with pytest.raises(BadInput, match=rf"{path.stem}.* and no model; open the checkpoint.safetensors beside it"):
            checkpoint.open_file(path)
    with pytest.raises(BadInput, match="mine is a run to go on with"):
        checkpoint.open_bytes(raw, "mine")
    sentence = assert_refused(*run(capsys, *QUICK, "--json", "--init", shared_run / "state", "--out", tmp_path / "r"))
    assert "open the checkpoint.safetensors beside it" in sentence


def test_a_state_larger_than_any_model_says_the_same(shared_run, monkeypatch):
    raw = (shared_run / "state.safetensors").read_bytes()
    monkeypatch.setattr(checkpoint, "MAX_BYTES", len(raw) - 1)
    for opening in (lambda: checkpoint.open_file(shared_run / "state"), lambda: checkpoint.open_bytes(raw, "state")):
        with pytest.raises(BadInput, match=r"open the checkpoint\.safetensors beside it"):
            opening()


@pytest.mark.parametrize("words", ["--image-size 64", "--fit letterbox", "--split-seed 3"])
def test_how_pictures_are_read_is_refused_where_there_are_none(tmp_path, capsys, words):
    assert words.split()[0] in assert_refused(*run(capsys, *QUICK, "--json", "--out", tmp_path / "r", *words.split()))


# Bad values.

BAD = [
    "--data imagenet", "--data <script>", "--architecture transformer", "--schedule cosine", "--device tpu", "--precision fp16",
    "--reduction max", "--lr 1e9", "--lr 0", "--lr nan", "--lr -1", "--lr fast", "--beta 1e12", "--beta nan", "--beta -1",
    "--beta inf", "--epochs 0", "--epochs -3", "--epochs 2.5", "--epochs 10000000", "--batch-size 0", "--batch-size 1438",
    "--batch-size 100000", "--batch-size x", "--latent-dim 0", "--latent-dim 1000000000", "--latent-dim -1", "--hidden -400",
    "--hidden 1000000", "--depth 0", "--depth 99", "--seed -1", "--seed 99999999999", "--kl-warmup -1", "--kl-warmup nan",
    "--kind nonsense", "--kind ae", "--kind restorer", "--corruption dropout:0.5",
    "--unknown", "--epochs", "surplus", "--title " + "x" * 201,
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad[:40])
def test_a_bad_value_gives_exit_code_2_and_one_sentence_before_anything_is_written(tmp_path, capsys, bad):
    assert_refused(*run(capsys, *QUICK, "--json", "--out", tmp_path / "r", *bad.split(" ")))
    assert list(tmp_path.iterdir()) == []


PLAIN = ["--data", "digits", "--epochs", "1", "--precision", "fp32", "--device", "cpu", "--json"]


@pytest.mark.parametrize(
    "words", ["--kind ae --beta 2", "--kind ae --depth 2", "--kind dae --corruption rust", "--kind restorer --hidden 4",
              "--kind dae --latent-dim 3", "--kind ae --kl-warmup 1"],
)
def test_what_a_kind_of_model_does_not_have_is_refused(tmp_path, capsys, words):
    assert_refused(*run(capsys, *PLAIN, "--out", tmp_path / "r", *words.split()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_trained_saved_and_resumed_by_the_command(tmp_path, capsys, kind):
    settings = {"hidden": "8", "corruption": "block:3"}
    words = f"--kind {kind}" + "".join(f" --{name} {value}" for name, value in settings.items() if FAMILIES[kind].has(name))
    code, out, err = run(capsys, *PLAIN, "--out", tmp_path / "r", *words.split())
    assert (code, err, len(out)) == (0, [], 1)
    opened = checkpoint.open_file(tmp_path / "r" / "checkpoint")
    asked = dict(zip(words.split()[::2], words.split()[1::2], strict=True))
    assert opened.recipe.kind == asked.pop("--kind")
    assert {f"--{name}": str(value) for name, value in opened.recipe.config.items() if f"--{name}" in asked} == asked
    told = {"epoch", "train_loss", "seconds", "images_per_second"} | {f"test_{term.name}" for term in FAMILIES[kind].terms}
    assert json.loads(out[0]).keys() == told
    again = ["--data", "digits", "--resume", "--json", "--out", tmp_path / "r", *words.split()]
    code, out, err = run(capsys, *again)
    assert (code, out, len(err)) == (0, [], 1)
    code, out, err = run(capsys, *again, "--epochs", "2")
    assert (code, len(out), len(err)) == (0, 1, 1)


def test_a_run_can_begin_with_the_weights_of_another(tmp_path, capsys):
    model = ["--kind", "restorer", "--hidden", "8"]
    run(capsys, *PLAIN, *model, "--out", tmp_path / "first")
    first = checkpoint.open_file(tmp_path / "first" / "checkpoint")
    init = ["--init", tmp_path / "first" / "checkpoint"]
    _, out, _ = run(capsys, *PLAIN, *model, *init, "--lr", "1e-8", "--out", tmp_path / "second")
    second = checkpoint.open_file(tmp_path / "second" / "checkpoint")
    assert json.loads(out[0])["test_loss"] == pytest.approx(first.recipe.metrics["test_loss"], abs=0.1)
    for name, tensor in first.model.state_dict().items():
        torch.testing.assert_close(tensor, second.model.state_dict()[name], rtol=0, atol=1e-3)
    assert_refused(*run(capsys, *PLAIN, "--kind", "restorer", "--hidden", "9", *init, "--out", tmp_path / "third"))
    assert_refused(*run(capsys, *PLAIN, "--kind", "ae", *init, "--out", tmp_path / "third"))
    assert_refused(*run(capsys, *PLAIN, *model, "--init", tmp_path / "nothing", "--out", tmp_path / "third"))
    assert not (tmp_path / "third").exists()


def test_cuda_asked_for_and_absent_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    sentence = assert_refused(*run(capsys, *QUICK, "--json", "--out", tmp_path / "r", "--device", "cuda"))
    assert "no cuda device" in sentence
    assert "cpu" in sentence


def test_no_folder_is_a_bad_value(capsys):
    assert "--out" in assert_refused(*run(capsys, *QUICK, "--json"))


def test_a_folder_of_pictures_is_trained_on_and_what_was_read_is_told(tmp_path, capsys):
    pictures = tmp_path / "my pictures"
    for kind, first in (("cat", 0), ("dog", 20)):
        (pictures / kind).mkdir(parents=True)
        for index in range(20):
            pixels = np.random.default_rng(first + index).integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(pictures / kind / f"{index}.png")
    (pictures / "cat" / "page.png").write_text("<html>")
    model = ["--architecture", "conv", "--hidden", "8", "--latent-dim", "3", "--likelihood", "gaussian"]
    training = ["--epochs", "1", "--device", "cpu", "--flip", "--shift", "1"]
    arguments = ["--data", f"folder:{pictures}", "--image-size", "28", "--split-seed", "5", *model, *training]
    code, out, err = run(capsys, *arguments, "--json", "--out", tmp_path / "r")
    assert (code, len(out)) == (0, 1)
    assert err[0] == "40 pictures were read."
    assert err[-1].startswith("'cat/page.png': ")
    opened = checkpoint.open_file(tmp_path / "r" / "checkpoint")
    for name, size in (("actual", (428, 170)), ("recon", (428, 170)), ("samples", (600, 256))):
        with Image.open(tmp_path / "r" / name / "01.png") as picture:
            assert (picture.format, picture.size) == ("PNG", size)
    assert opened.recipe.data.name == "folder:my pictures"
    assert opened.recipe.data.classes == ["cat", "dog"]
    assert opened.model.config.image_shape == (3, 28, 28)
    assert {"bits_per_dimension", "sigma"} <= opened.recipe.metrics.keys()
    assert opened.recipe.training["flip"]
    (tmp_path / "empty").mkdir()
    assert "no pictures" in assert_refused(*run(capsys, "--data", f"folder:{tmp_path / 'empty'}", "--out", tmp_path / "s"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    code, _, err = run(capsys, *QUICK, "--json", "--out", tmp_path / "file")
    assert code == 2
    assert len(err) == 1
    assert "could not be saved" in err[0]
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_is_told(tmp_path, capsys, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = run(capsys, *QUICK, "--json", "--out", tmp_path / "r")
    assert code == 2
    assert len(err) == 1
    assert "No space left on device" in err[0]


def test_help_names_every_option_and_leaves_with_zero(capsys):
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, [])
    promised = "data architecture latent-dim epochs batch-size lr schedule seed out json resume overwrite"
    for option in (*promised.split(), "beta", "kl-warmup", "binarize", "reduction", "device", "precision"):
        assert f"--{option}" in "\n".join(out)


def test_a_diverging_run_is_told_in_one_sentence_and_keeps_the_last_good_state(tmp_path, capsys, monkeypatch):
    real, steps = vae.vae_loss, iter(range(1000))

    def poisoned(*arguments):
        terms = real(*arguments)
        return terms._replace(loss=terms.loss * float("nan")) if next(steps) == 15 else terms

    monkeypatch.setattr(vae, "vae_loss", poisoned)
    code, out, err = run(capsys, *QUICK, "--json", "--out", tmp_path / "r")
    assert code == 3
    assert len(out) == len(err) == 1
    assert "finite" in err[0]
    assert len(train.resume(tmp_path / "r", load("digits")).epochs) == 1


def test_a_model_spoiled_by_its_last_step_is_told_and_never_printed_as_a_number(tmp_path, capsys, monkeypatch):
    real = train_state._optimizers

    def spoiling(model, config):
        optimizers = real(model, config)
        step = optimizers["model"].step

        def spoil():
            step()
            with torch.no_grad():
                model.encoder[-1].bias.fill_(1000.0)  # exp(logvar) leaves the range of a float

        optimizers["model"].step = spoil
        return optimizers

    monkeypatch.setattr(train_state, "_optimizers", spoiling)
    code, out, err = run(capsys, *QUICK, "--json", "--out", tmp_path / "r", "--batch-size", "1437", "--epochs", "1")
    assert code == 3
    assert out == []
    assert len(err) == 1
    assert not (tmp_path / "r" / "checkpoint.safetensors").exists()


# As a process of its own.


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "vae_core.train", *map(str, arguments)]


def test_a_bad_value_in_a_shell_shows_no_traceback(tmp_path):
    done = subprocess.run(
        command(*QUICK, "--out", tmp_path / "r", "--lr", "1e9"),
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )
    assert_refused(done.returncode, done.stdout.splitlines(), done.stderr.splitlines())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_leaves_a_checkpoint_that_opens_and_can_be_resumed(tmp_path, capsys, number):
    arguments = [*QUICK, "--epochs", "1000", "--out", tmp_path / "r", "--json"]
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=stdout, stderr=stderr)
    try:
        wait_until(lambda: "\n" in out.read_text(), PATIENCE, "a first epoch")
        process.send_signal(number)
        process.wait(timeout=PATIENCE)
    finally:
        process.kill()
    told = losses(out.read_text().splitlines())
    assert (process.returncode, err.read_text()) == (128 + number, "")
    assert told[0][0] == 1
    assert len(told) < 1000
    opened = checkpoint.open_file(tmp_path / "r" / "checkpoint")
    assert len(opened.recipe.epochs) == len(told)
    state = train.resume(tmp_path / "r", load("digits"))
    assert state.steps >= 12 * len(told)
    following = next(record for record in train.fit(state, load("digits")) if isinstance(record, train.Epoch))
    assert following.epoch == len(told) + 1


def test_sigterm_to_torchrun_ends_all_processes_with_one_checkpoint(tmp_path):
    arguments = [*QUICK, "--epochs", "1000", "--json", "--batch-size", "100", "--out", str(tmp_path / "two")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "vae_core.train"]
    out = tmp_path / "out"
    with out.open("w") as stdout, (tmp_path / "err").open("w") as stderr:
        process = subprocess.Popen(
            [*launcher, *arguments], cwd=ROOT, stdout=stdout, stderr=stderr, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
    try:
        wait_until(lambda: "\n" in out.read_text(), PATIENCE, "a first epoch")
        process.terminate()
        process.wait(timeout=PATIENCE)
    finally:
        process.kill()
    told = [line for line in out.read_text().splitlines() if line.startswith("{")]
    assert len(checkpoint.open_file(tmp_path / "two" / "checkpoint").recipe.epochs) == len(told) < 1000
    assert train.resume(tmp_path / "two", load("digits")).steps >= 15 * len(told)


def test_torchrun_of_the_command_gives_one_set_of_lines_and_one_checkpoint(tmp_path, capsys):
    arguments = [*QUICK, "--json", "--batch-size", "100"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "vae_core.train"]
    done = subprocess.run(
        [*launcher, *arguments, "--out", str(tmp_path / "two")],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    _, alone, _ = run(capsys, *arguments, "--out", tmp_path / "one")
    shared = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(shared) == len(alone) == 2
    for line, expected in zip(losses(shared), losses(alone), strict=True):
        assert line == pytest.approx(expected, rel=1e-4)
    assert checkpoint.open_file(tmp_path / "two" / "checkpoint").recipe.title == "two"


def test_a_folder_s_own_split_and_levels_are_options(tmp_path, capsys):
    for at, (side, size, kind) in enumerate(itertools.product(("train", "test"), ("32x32", "64x64"), ("cat", "dog"))):
        place = tmp_path / "icons" / side / size / kind
        place.mkdir(parents=True)
        for index in range(3):
            pixels = np.random.default_rng(10 * at + index).integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{index}.png")
    source = ["--data", f"folder:{tmp_path / 'icons'}", "--image-size", "8", "--architecture", "mlp", "--hidden", "8"]
    training = ["--latent-dim", "2", "--epochs", "1", "--device", "cpu", "--batch-size", "4", "--json"]
    code, _, err = run(capsys, *source, *training, "--out", tmp_path / "seeded")
    assert code == 0
    assert "--split own keeps their own split." in err
    assert "--class-level N takes another level, 0 none." in err
    assert checkpoint.open_file(tmp_path / "seeded" / "checkpoint").recipe.data.classes == ["cat", "dog"]
    code, _, err = run(capsys, *source, *training, "--split", "own", "--class-level", "1", "--out", tmp_path / "own")
    assert code == 0
    assert "Their own split was kept: 12 of test to test on, 12 of train to train on." in err
    assert checkpoint.open_file(tmp_path / "own" / "checkpoint").recipe.data.classes == ["32x32", "64x64"]
    refused = run(capsys, *source, *training, "--class-level", "3", "--out", tmp_path / "x")
    assert "no level 3" in assert_refused(*refused)


def test_an_array_in_a_file_is_trained_on_when_told_how_and_resumed(home, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 9, 8))
    np.savez(home / "mine.npz", images=(pixels / 127.5 - 1).astype(np.float32), labels=np.arange(30) % 3)
    source = ["--data", "file:~/mine.npz"]
    model = ["--architecture", "mlp", "--hidden", "8", "--latent-dim", "2", "--batch-size", "5", "--device", "cpu", "--json"]
    sentence = assert_refused(*run(capsys, *source, *model, "--out", "~/r"))
    assert "mine.npz" in sentence
    assert "float32 from -1 to 1" in sentence
    assert "--pixels -1..1" in sentence
    told = [*source, "--pixels", "-1..1", "--split-seed", "4", *model]
    code, out, err = run(capsys, *told, "--epochs", "2", "--out", home / "r")
    assert (code, len(out)) == (0, 2)
    assert err[:3] == [
        "30 pictures were read.", "They are of 3 classes, 10 each.",
        "Their values are float32 from -1 to 1, of which -1 is black and 1 white.",
    ]
    recipe = checkpoint.open_file(home / "r" / "checkpoint").recipe
    assert (recipe.data.name, recipe.data.classes) == ("file:mine", ["0", "1", "2"])
    assert recipe.config["image_shape"] == [1, 9, 8]
    again = shlex.split(recipe.command)
    assert again[again.index("--pixels") + 1] == "-1..1"
    assert len(run(capsys, *told, "--epochs", "3", "--out", home / "r", "--resume")[1]) == 1
    other = run(capsys, *source, "--pixels=-1..3", "--split-seed", "4", *model, "--out", home / "r", "--resume")
    assert (other[0], other[1]) == (2, [])
    assert "other images ('file:mine')" in other[2][-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--data file:x.npz --fit crop", "--fit is for pictures from folder:PATH"),
        ("--data folder:x --pixels -1..1", "--pixels is for pictures from file:PATH"),
        ("--data digits --layout 8x8", "--layout is for pictures from file:PATH"),
        ("--data folder:x.npz", "x.npz holds an array and no pictures; give it as file:PATH"),
        ("--data file:x.zip", "x.zip is no .npz, .npy or .csv file"),
        ("--data file:x.npz", "x.npz cannot be read"),
        ("--data file:rows.npy", "(--layout 8x9)"),
        ("--data file:rows.npy --layout 8x8", "say 8x9 or 9x8"),
        ("--data file:rows.npy --layout 8x9 --pixels -1-1", "expected one argument"),
        ("--data file:rows.npy --layout 8x9 --pixels 1", "Pixels are LOW..HIGH"),
    ],
)
def test_how_a_file_is_read_is_refused_where_it_does_not_fit(home, capsys, words, says):
    np.save("rows.npy", np.random.default_rng(0).integers(0, 256, (30, 72), dtype=np.uint8))
    assert says in assert_refused(*run(capsys, *words.split(), "--out", "r", "--json"))
