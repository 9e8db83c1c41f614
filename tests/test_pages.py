"""The pages by AppTest: what is drawn, what is said, what a press does. No cluster runs: runs are put into the store."""

import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from conftest import PATIENCE, ROOT
from PIL import Image
from streamlit.testing.v1 import AppTest

from latentscape.ui import own, picker
from latentscape.ui.presets import KIND_OF, PRESETS, form_settings
from latentscape.ui.train import replay as train_replay
from latentscape.ui.train import view as train_view
from latentscape.ui.train.words import loss_name
from latentscape.ui.words import ordinal
from latentscape.work.belongings import Model
from latentscape.work.runs import DONE, FAILED, PAUSED, QUEUED, RUNNING, STOPPED, Frame, Run
from vae_core import checkpoint, train, train_cli
from vae_core.models import FAMILIES


def open_app(page: str = "", visitor: str = "me", **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.session_state["visitor"] = visitor
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    if page:
        at.switch_page(f"pages/{page}.py").run()
    assert not at.exception
    return at


def look_at(at: AppTest, epochs: float) -> None:
    """Move the bar of the replay to this moment."""
    at.session_state[train_replay.SHOWN] = epochs
    at.run()
    assert not at.exception


def texts(at: AppTest) -> str:
    return "\n".join(element.value for kind in (at.markdown, at.text, at.error, at.info, at.caption) for element in kind)


def status(at: AppTest) -> str:
    return next(m.value for m in at.markdown if re.match(r"\*\*(Idle|Queued|Running|Paused|Stopped|Done|Failed)\*\*", m.value))


def charts(at) -> list[dict]:
    """The figures of a page: those of Streamlit's charts, and of those that are drawn in place."""
    told = [json.loads(element.proto.json) for element in at.main if element.type == "bidi_component" and element.proto.json]
    in_place = [json.loads(data["figure"]) for data in told if isinstance(data, dict) and "figure" in data]
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")] + in_place


def finished_run(weights: bytes, epochs: int = 3) -> Run:
    """A run as it looks when it is over."""
    run = Run(
        {
            "data": "digits",
            "kind": "vae",
            "model": {},
            "training": {"epochs": epochs},
            "title": "digits mlp 2-D",
            "command": "train",
        },
        "me",
    )
    images = np.zeros((10, 1, 8, 8), np.uint8)
    run.about = {"originals": images, "labels": [0, 1, 2], "classes": list("0123456789"), "latent_dim": 2}
    for epoch in range(epochs + 1):
        points = np.array([[0, 1], [1, 0], [1, 1]], np.float32) * epoch
        run.add_frame(Frame(epoch, points, images, np.zeros((21, 1, 8, 8), np.uint8), None, weights if epoch else None))
    record = {"train_loss": 9.0, "train_recon": 8.0, "train_kl": 1.0, "test_recon": 8.0, "test_kl": 2.0}
    run.epochs = [{"epoch": e, "test_loss": 30.0 - e} | record for e in range(1, epochs + 1)]
    run.add_curve([[0.5, 41.0, 40.0, 1.0], [1.5, 32.0, 30.0, 2.0]])
    run.live, run.weights, run.rate, run.status = run.frames[-1], weights, 1000.0, DONE
    return run


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_replay_shows_the_chosen_epoch_while_frames_are_thinned(jobs, weights, monkeypatch, left):
    """Another thread takes frames away after the page has drawn its slider and before it takes the frame."""
    run = finished_run(weights, epochs=5)
    jobs.store.add(run)
    real, shown = train_replay.moment, []

    def moment(run, frames, live):
        run.frames = run.frames[:1] + run.frames[1:][-left:]
        return real(run, frames, live)

    monkeypatch.setattr(train_replay, "moment", moment)
    monkeypatch.setattr(train_view, "_pictures", lambda run, frame, why: shown.append(frame.epoch))
    at = open_app("train", run=run.view_id)
    assert shown[-1] == 5
    run.frames = finished_run(weights, epochs=5).frames
    look_at(at, 3)
    assert shown[-1] == 3


def test_who_waits_for_a_turn_is_told_when_it_comes_and_how_far_she_is(jobs, weights):
    run, other = finished_run(weights), finished_run(weights)
    other.owner = "other"
    for waiting in (other, run):
        jobs.store.add(waiting)
        waiting.status = QUEUED
        waiting.request["training"] = {"epochs": 10}
        jobs.turns.add(waiting)
    jobs.turns.slots = 1
    other.left = run.left = 100.0
    at = open_app("train", run=run.view_id)
    words = next(m.value for m in at.markdown if "Waiting for its turn" in m.value)
    assert words.endswith("its turn comes in about 10 s, 2nd of 2 · trained so far: epoch 4 of 10")
    assert "Paused" not in texts(at)


@pytest.mark.parametrize(
    ("number", "word"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd")]
)
def test_places_are_ordinals(number, word):
    assert ordinal(number) == word


@pytest.mark.parametrize("page", ["", "train", "restore"])
def test_every_page_opens_first_with_one_title(jobs, page):
    at = open_app(page)
    assert len(at.title) == 1


@pytest.mark.parametrize("page", ["", "train", "restore"])
def test_every_page_lives_without_any_checkpoint(jobs, page, monkeypatch, tmp_path):
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    monkeypatch.setattr(picker, "KEPT", tmp_path / "kept")
    at = open_app(page)
    assert "No trained model here yet" in texts(at)


def test_home_shows_the_pad_of_the_chosen_model(jobs):
    at = open_app()
    assert "The latent plane of ` mnist-2d `" in texts(at)


def test_a_shipped_file_whose_hash_does_not_match_is_refused_in_a_sentence(jobs, monkeypatch, tmp_path):
    for suffix in ("json", "safetensors"):
        (tmp_path / f"mnist-2d.{suffix}").write_bytes((picker.SHIPPED / f"mnist-2d-tutorial.{suffix}").read_bytes())
    broken = bytearray((tmp_path / "mnist-2d.safetensors").read_bytes())
    broken[-1] ^= 1
    (tmp_path / "mnist-2d.safetensors").write_bytes(broken)
    monkeypatch.setattr(picker, "SHIPPED", tmp_path)
    assert "does not match the SHA-256" in texts(open_app())


def test_train_starts_idle_and_a_press_queues_the_form_as_it_stands(jobs):
    at = open_app("train")
    assert status(at).startswith("**Idle**")
    at.number_input(key="train_epochs").set_value(7)
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    assert run.request["training"]["epochs"] == 7
    assert "--epochs 7" in run.request["command"]
    assert status(at).startswith("**Queued** · 1st of 1")
    assert at.query_params["run"] == run.view_id


def test_step_without_a_run_trains_one_epoch_and_pauses(jobs):
    at = open_app("train")
    at.button(key="train_step").click().run()
    (run,) = jobs.store.all()
    assert run.stop_after == 1
    run.status = PAUSED
    at.run()
    at.button(key="train_step").click().run()
    assert (run.status, run.stop_after) == (QUEUED, 1)


def test_a_double_click_starts_one_run(jobs):
    at = open_app("train")
    at.button(key="train_start").click().run()
    assert at.button(key="train_start").disabled
    (run,) = jobs.store.all()
    assert jobs.submit({}, run.owner) is run  # what a press that was already on its way would do


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fills_the_form_with_a_request_that_is_accepted(jobs, preset):
    at = open_app("train")
    at.selectbox(key="train_preset").select(preset).run()
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    request = run.request
    assert FAMILIES[request["kind"]].config(**request["model"]).kind == request["kind"]
    assert train.TrainConfig(**request["training"])
    changed = {"kind": KIND_OF[preset]} | PRESETS[preset].changes
    assert {k: v for k, v in (request | request["model"] | request["training"]).items() if k in changed} == changed


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_shown_trains_the_same_model(jobs, preset):
    at = open_app("train")
    at.selectbox(key="train_preset").select(preset).run()
    at.button(key="train_start").click().run()
    request = jobs.store.all()[0].request
    parsed = train_cli._parser().parse_args(request["command"].split()[3:])
    assert (parsed.data, parsed.kind) == (request["data"], request["kind"])
    assert train_cli._model(parsed, (1, 28, 28)) == FAMILIES[request["kind"]].config(**request["model"])
    training = {name: getattr(parsed, name) for name in request["training"]}
    assert train.TrainConfig(**training) == train.TrainConfig(**request["training"])


def test_an_unknown_run_is_told_and_forgotten(jobs):
    at = open_app("train")
    at.query_params["run"] = "<script>alert(1)</script>"
    at.run()
    assert "no longer here" in texts(at)
    assert "run" not in at.query_params
    assert "<script>" not in texts(at)


def test_a_finished_run_shows_numbers_pictures_and_what_can_be_taken_away(jobs, weights):
    run = finished_run(weights)
    jobs.store.add(run)
    at = open_app("train")
    at.query_params["run"] = run.view_id
    at.run()
    assert not at.exception
    assert status(at).startswith("**Done** · 3 of 3 epochs")
    assert "Test loss (-ELBO, grey BCE) **27.0** = recon **8.0** + KL **2.0** nats per image" in texts(at)
    assert at.button(key="train_keep")
    look_at(at, 1)
    assert "after 1 epoch" in texts(at)


def test_the_pictures_of_every_epoch_are_one_zip(weights):
    run = finished_run(weights)
    with zipfile.ZipFile(io.BytesIO(train_view.replay_zip(run))) as archive:
        names = archive.namelist()
        assert sorted(names) == sorted(f"{part}/{n:02d}.png" for part in ("actual", "recon", "samples") for n in range(4))
        assert Image.open(archive.open("samples/03.png")).size == (7 * 26 - 2, 3 * 26 - 2)
    empty = np.zeros((0, 1, 8, 8), np.uint8)
    run.frames = [replace(frame, samples=empty) for frame in run.frames]  # an autoencoder has no prior to draw from
    with zipfile.ZipFile(io.BytesIO(train_view.replay_zip(run))) as archive:
        assert len(archive.namelist()) == 8


@pytest.mark.parametrize("kind", [name for name, family in FAMILIES.items() if not family.draws])
def test_a_model_without_a_prior_shows_what_it_has(jobs, weights, kind):
    run, family = finished_run(weights), FAMILIES[kind]
    run.request["kind"], run.curve = kind, [[0.5, 40.0, 40.0], [1.5, 30.0, 30.0]]
    empty = np.zeros((0, 1 if family.encodes else 2, 8, 8), np.uint8)
    points = run.live.points if family.encodes else np.zeros((0, 2), np.float32)
    run.live = run.frames[-1] = replace(run.live, points=points, samples=empty)
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    assert not at.exception
    (term,) = family.terms
    assert f"{term.label} ({loss_name(run.request)}) **27.0** nats per image" in texts(at)
    assert "images a second" not in status(at), "the pace goes with the training"
    run.status = RUNNING
    at.run()
    assert "left · 1,000 images a second" in status(at)
    assert ("Latent map" in texts(at)) == family.encodes
    assert ("Damaged test images" in texts(at)) == family.has("corruption")
    assert "Samples" not in texts(at)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_has_its_own_form_and_the_plain_one_trains_its_own_defaults(jobs, monkeypatch, kind):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")  # there it starts from what a class can bear
    at = open_app("train")
    at.selectbox(key="train_kind").select(kind).run()
    assert not at.exception
    boxes = (*at.number_input, *at.selectbox, *at.toggle)
    drawn = {box.key.removeprefix("train_") for box in boxes if box.key.startswith("train_")}
    assert drawn == {"preset", "kind", "data", *form_settings(kind)}
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    usual = {"architecture": "residual", "latent_dim": 2} if kind == "vae" else {}
    assert run.request["kind"] == kind
    assert FAMILIES[kind].config(**run.request["model"]) == FAMILIES[kind].config(**usual)


def test_live_pictures_travel_with_their_message(jobs, weights):
    """Fetched one by one, they are gone from the server when a busy browser asks for them: the next frame is there."""
    run = finished_run(weights)
    jobs.store.add(run)
    shown = [image.url for pictures in open_app("train", run=run.view_id).get("image") for image in pictures.proto.imgs]
    assert len(shown) == 2
    assert all(address.startswith("data:image/png;base64,") for address in shown)


def test_the_link_to_look_has_no_controls(jobs, weights):
    run = finished_run(weights)
    jobs.store.add(run)
    at = open_app("train", visitor="guest", run=run.view_id)
    assert "may only look" in texts(at)
    assert not [b for b in at.button if b.key in ("train_stop", "train_pause")]
    assert run.control_id not in str(at.query_params)


def test_failed_says_why(jobs, weights):
    run = finished_run(weights)
    run.status, run.reason = FAILED, "The loss stopped being a finite number at batch 3."
    jobs.store.add(run)
    at = open_app("train")
    at.query_params["run"] = run.view_id
    at.run()
    assert status(at).startswith("**Failed**")
    assert run.reason in [text.value for text in at.text]


@pytest.mark.parametrize(
    ("now", "enabled"), [(RUNNING, {"pause", "stop"}), (QUEUED, {"pause", "stop"}), (PAUSED, {"pause", "step", "stop"})]
)
def test_the_buttons_fit_the_status(jobs, weights, now, enabled):
    run = finished_run(weights)
    run.status = now
    jobs.store.add(run)
    at = open_app("train")
    at.query_params["run"] = run.view_id
    at.run()
    assert {name for name in ("pause", "step", "stop") if not at.button(key=f"train_{name}").disabled} == enabled


def test_a_collapsed_posterior_is_explained(jobs, weights):
    run = finished_run(weights)
    run.epochs[-1]["test_kl"] = 0.001
    jobs.store.add(run)
    at = open_app("train")
    at.query_params["run"] = run.view_id
    at.run()
    assert "Posterior collapse" in texts(at)


def test_constant_codes_still_draw_a_map(jobs, weights):
    run = finished_run(weights)
    run.frames = [Frame(f.epoch, f.points * 0, f.reconstructions, f.samples, None, f.weights) for f in run.frames]
    run.live = run.frames[-1]
    jobs.store.add(run)
    at = open_app("train")
    at.query_params["run"] = run.view_id
    at.run()
    assert not at.exception


@pytest.mark.parametrize("shared", ["0", "1"])
def test_keep_it_writes_to_disk_only_where_one_person_runs_the_app(jobs, weights, monkeypatch, tmp_path, shared):
    monkeypatch.setattr(picker, "KEPT", tmp_path / "kept")
    monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
    run = finished_run(weights)
    jobs.store.add(run)
    at = open_app("train")
    at.query_params["run"] = run.view_id
    at.run()
    at.button(key="train_keep").click().run()
    written = [path.name for path in (tmp_path / "kept").glob("*")] if (tmp_path / "kept").exists() else []
    assert sorted(written) == ([] if shared == "1" else ["digits-mlp-2-d.json", "digits-mlp-2-d.safetensors"])
    name = "own/digits-mlp-2-d" if shared == "1" else "kept/digits-mlp-2-d"
    assert at.selectbox(key="checkpoint").value == name
    assert open_app(visitor="another").selectbox(key="checkpoint").options.count("digits-mlp-2-d (yours)") == 0


def test_an_uploaded_checkpoint_joins_the_list_and_a_pickle_is_refused(jobs, weights):
    at = open_app()
    at.file_uploader(key="checkpoint_upload").set_value(("mine.safetensors", weights, "application/octet-stream")).run()
    assert at.selectbox(key="checkpoint").value == "own/mine"
    at.file_uploader(key="checkpoint_upload").set_value(
        ("bad.safetensors", b"\x80\x04pickle", "application/octet-stream")
    ).run()
    assert "bad.safetensors is not a safetensors file" in texts(at)
    (mine,) = own.store().of("me", "", Model)
    assert checkpoint.open_bytes(mine.weights, "mine").recipe.title == "digits"


def test_a_run_is_labelled_with_its_own_settings_and_not_with_those_of_the_form(jobs, weights):
    run = finished_run(weights)
    run.request["training"] |= {"seed": 7}
    run.about |= {"batch_size": 32}
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    at.number_input(key="train_epochs").set_value(99).run()
    (label,) = [text.value for text in at.text if text.value.startswith(run.request["title"])]
    assert label == f"{run.request['title']} · 3 epochs · batches of 32 · seed 7 · loss: -ELBO, grey BCE"


@pytest.mark.parametrize(("page", "form"), [("train", "train_form"), ("sweep", "sweep_form")])
def test_enter_in_a_field_trains_nothing(jobs, page, form):
    at = open_app(page)
    (block,) = [block.proto.form for block in at.get("form") if block.proto.form.form_id == form]
    assert not block.enter_to_submit


@pytest.mark.parametrize("begun", [True, False])
def test_a_stop_before_the_first_epoch_is_told_as_no_failure(jobs, weights, begun):
    run = finished_run(weights, epochs=10)
    run.status, run.epochs, run.weights = STOPPED, [], weights if begun else None
    run.frames, run.live = (run.frames[:1], replace(run.frames[1], epoch=0.5)) if begun else ([], None)
    run.curve = run.curve[:1] if begun else []
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    assert not at.exception
    assert status(at).startswith("**Stopped** · 0 of 10 epochs")
    assert "Nothing went wrong" in texts(at)
    assert not at.error
    assert ("train_keep" in [button.key for button in at.button]) == begun
