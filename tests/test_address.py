"""The table between a page's address and its state: what is read, what is written, and which changes are worth an entry."""

import pytest
import streamlit as st
from conftest import PATIENCE, ROOT
from explore_page import open_explore, place, show
from streamlit.testing.v1 import AppTest
from test_pages import finished_run, open_app

from latentscape.server import streamlit_private
from latentscape.ui import address
from latentscape.ui.explore.plane import COMPONENTS
from latentscape.ui.presets import KIND_OF, PRESETS, form_settings, plain, values_of
from vae_core.models import FAMILIES
from vae_core.settings import Setting

pytestmark = pytest.mark.usefixtures("no_cluster")
PAGE = """
import streamlit as st
from latentscape.ui import address

address.enter(st.session_state.get("page", "here"))
words = [
    address.of_choice("fruit", "fruit", {"apple": "Apple", "pear": "Pear"}, "Apple"),
    address.Word(
        "at", lambda: str(st.session_state.get("at", 0)), lambda word: st.session_state.update(at=int(word or 0)), moves=True
    ),
]
address.read(words)
if st.session_state.pop("found", False):
    st.session_state["fruit"] = "Pear"
    address.fill_in()
st.selectbox("Fruit", ["Apple", "Pear"], key="fruit")
st.number_input("At", 0, 9, key="at")
address.write(words)
"""


@pytest.fixture
def told(monkeypatch) -> list[dict]:
    """What the browser is told, the latest last."""
    sent = []
    monkeypatch.setattr(address, "_component", lambda key, data: sent.append(data))
    return sent


@pytest.fixture
def go_back(monkeypatch):
    """Run a page as the browser's Back does, with an address that it had."""

    def back(at: AppTest, /, **query: str) -> AppTest:
        at.query_params.clear()
        for name, value in query.items():
            at.query_params[name] = value
        with monkeypatch.context() as patched:
            patched.setattr(streamlit_private, "came_by_history", lambda: True)
            at.run()
        assert not at.exception
        return at

    return back


def said(at: AppTest) -> dict[str, str]:
    return {name: value[0] if isinstance(value, list) else value for name, value in at.query_params.items()}


def open_page(**query: str) -> AppTest:
    at = AppTest.from_string(PAGE)
    for name, value in query.items():
        at.query_params[name] = value
    return at.run()


def test_defaults_are_filled_in_without_an_entry(told):
    at = open_page(fruit="plum", colour="red")
    assert said(at) == {"at": "0"}
    at.run()
    assert [data["change"] for data in told] == ["", ""]


@pytest.mark.parametrize("broken_off_at", ["at", "fruit"])
def test_a_run_that_is_broken_off_while_the_address_is_read_loses_no_word(told, go_back, monkeypatch, broken_off_at):
    """Another press may end a run at any call of Streamlit."""
    at = open_page()
    mean, left = address.Word.mean, {broken_off_at: 1}

    def breaks_off(word: address.Word):
        def put(spelled: str) -> None:
            mean.__get__(word)(spelled)
            if left.pop(word.name, 0):
                st.stop()

        return put

    monkeypatch.setattr(address.Word, "mean", property(breaks_off))
    go_back(at, fruit="pear", at="4")
    assert not at.selectbox  # it came no further
    at.run()
    assert (at.selectbox(key="fruit").value, at.number_input(key="at").value) == ("Pear", 4)
    assert said(at) == {"fruit": "pear", "at": "4"}


def test_a_change_that_was_meant_is_one_entry_and_a_move_none(told):
    at = open_page()
    at.number_input(key="at").set_value(3).run()
    assert said(at) == {"at": "3"}
    assert told[-1]["change"] == ""
    at.selectbox(key="fruit").select("Pear").run()
    assert (told[-1]["before"], told[-1]["after"]) == ({"at": "3"}, {"fruit": "pear", "at": "3"})
    first = told[-1]["change"]
    at.number_input(key="at").set_value(4).run()
    assert told[-1]["change"] == first != ""  # the same, done already
    assert told[-1]["after"]["at"] == "4"
    at.selectbox(key="fruit").select("Apple").run()
    assert told[-1]["change"] not in ("", first)


def test_back_restores_all_that_the_address_says_and_its_defaults(told, go_back):
    at = open_page(fruit="pear", at="5")
    go_back(at, at="2")
    assert (at.selectbox(key="fruit").value, at.number_input(key="at").value) == ("Apple", 2)
    assert told[-1]["change"] == ""
    at.selectbox(key="fruit").select("Pear").run()
    assert told[-1]["before"] == {"at": "2"}


def test_an_address_that_the_browser_sends_late_undoes_nothing(told):
    at = open_page()
    at.selectbox(key="fruit").select("Pear").run()
    at.query_params.clear()
    at.query_params["at"] = "0"  # pressed before the newer address had come
    at.number_input(key="at").set_value(1).run()
    assert at.selectbox(key="fruit").value == "Pear"
    assert said(at) == {"fruit": "pear", "at": "1"}


def test_what_was_nobodys_doing_is_no_entry(told):
    at = open_page()
    at.session_state["found"] = True
    at.run()
    assert said(at)["fruit"] == "pear"
    assert told[-1]["change"] == ""


def test_another_page_reads_its_own_address(told):
    at = open_page(fruit="pear")
    at.session_state["page"] = "there"
    at.query_params.clear()
    at.run()
    assert at.selectbox(key="fruit").value == "Pear"  # without a word it stays as it stands
    assert told[-1]["change"] == ""


def test_back_on_explore_moves_the_marker_back_on_the_same_plane(go_back):
    at = open_explore(z="1,1")
    for number, there in enumerate([(0.5, -1.0), (2.0, 2.0)], start=1):
        at.session_state["explore_pad"] = {"point": {"x": there[0], "y": there[1], "number": number, "plane": ""}}
        at.run()
        assert place(at).z == there
    for z in ("1,1", "0.5,-1", "1,1"):  # where Python and where the visitor had put it
        go_back(at, checkpoint="mnist-2d", z=z)
        assert said(at) == {"checkpoint": "mnist-2d", "z": z}
        assert place(at).position == place(at).z


def test_back_on_explore_takes_back_all_that_was_chosen_since(go_back):
    at = open_explore("mnist-20d")
    first = said(at)
    at.segmented_control(key="explore_plane").set_value(COMPONENTS).run()
    at.segmented_control(key="explore_layers").set_value("codes").run()
    at.number_input(key="explore_image").set_value(3).run()
    at.selectbox(key="explore_model").select("mnist-2d").run()
    at = show(at, "Walk")
    at.selectbox(key="checkpoint").select("mnist-2d").run()
    last = said(at)
    go_back(at, **first)
    assert said(at) == first
    assert at.number_input(key="explore_image").value is None
    go_back(at, **last)
    assert said(at) == last
    go_back(at, **first | {"checkpoint": "own/gone"})
    assert said(at) == last  # of a model that is not here nothing is taken over


MAP = [
    {"checkpoint": "mnist-2d", "picture": "axes"},
    {"checkpoint": "mnist-20d", "picture": "axes-5-3", "colour": "z7"},
    {"checkpoint": "mnist-20d", "picture": "components", "colour": "kl", "samples": "prior"},
    {"checkpoint": "mnist-ae-30", "picture": "components", "colour": "recon"},
]


@pytest.fixture
def no_analyses(monkeypatch):
    from latentscape.ui.map import view as map_view
    from latentscape.work.analyses import Analyses

    monkeypatch.setattr(Analyses, "warm_up", lambda self, task: None)
    monkeypatch.setattr(map_view, "numbers", lambda *given: None)


def open_at(page: str, **query: str) -> AppTest:
    at = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE)
    at.run()
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(f"pages/{page}.py").run()
    assert not at.exception
    return at


def test_a_link_to_map_opens_exactly_its_state_and_back_does_too(no_analyses, go_back):
    at = open_at("map")
    assert said(at) == {"checkpoint": "mnist-2d", "picture": "axes"}
    for state in [*MAP, *reversed(MAP)]:
        go_back(at, **state)
        assert said(at) == state
    assert at.selectbox(key="checkpoint").value == "mnist-2d"
    for state in MAP[1:]:
        assert said(open_at("map", **state)) == state


@pytest.mark.parametrize("picture", ["", "x", "axes-0-1", "axes-1", "axes-1-99", "tsne-1", "components-1", "axes-<b>-1"])
def test_a_picture_that_is_none_opens_one(no_analyses, picture):
    at = open_at("map", checkpoint="mnist-20d", picture=picture, colour=picture, samples=picture)
    assert set(said(at)) == {"checkpoint", "picture"}


SWEEP = [{}, {"beside": "mnist-2d,mnist-2d-tutorial"}, {"beside": "none"}]


def test_a_link_to_sweep_opens_exactly_its_state_and_back_does_too(jobs, go_back):
    at = open_at("sweep")
    for state in [*SWEEP, *reversed(SWEEP)]:
        go_back(at, **state)
        assert said(at) == state
    for state in SWEEP:
        assert said(open_at("sweep", **state)) == state
    assert said(open_at("sweep", beside="<b>,mnist-ae-30", runs="")) == {}
    assert said(open_at("sweep", beside="mnist-2d,mnist-2d,gone")) == {"beside": "mnist-2d"}


def test_back_on_sweep_shows_the_trainings_that_were_shown(jobs, weights, go_back):
    runs = [finished_run(weights) for _ in range(3)]
    for run in runs:
        jobs.store.add(run)
    first, second = ",".join(run.view_id for run in runs[:2]), runs[2].view_id
    at = open_app("sweep", runs=first)
    go_back(at, runs=second)
    assert at.session_state["sweep"] == [second]
    go_back(at, runs=first)
    assert at.dataframe[0].value.shape[0] == 2
    go_back(at)
    assert at.session_state["sweep"] == []
    assert at.multiselect(key="sweep_models").value


def test_back_on_train_shows_the_training_that_was_shown(jobs, weights, go_back):
    runs = [finished_run(weights, epochs) for epochs in (2, 3)]
    for run in runs:
        jobs.store.add(run)
    at = open_app("train", run=runs[0].control_id)
    assert said(at) == {"run": runs[0].view_id}
    for run in reversed(runs):
        go_back(at, run=run.view_id)
        assert any(f"**Done** · {len(run.epochs)} of" in line.value for line in at.markdown)
    go_back(at)
    assert "run" not in at.query_params
    assert any("**Idle**" in line.value for line in at.markdown)


def test_back_on_train_keeps_a_training_that_is_under_way(jobs, go_back):
    at = open_app("train")
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    go_back(at)
    assert said(at) == {"run": run.view_id}


TRAIN = [{}, {"preset": "textbook"}, {"preset": "denoise"}, {"preset": "sharp", "kind": "ae"}, {"kind": "ae"}]


@pytest.mark.parametrize("state", TRAIN, ids=str)
@pytest.mark.parametrize(("shared", "at_first"), [("0", "Watch a map form"), ("1", "First map in ten seconds")])
def test_a_link_to_train_fills_the_form(jobs, monkeypatch, shared, at_first, state):
    monkeypatch.setenv("LATENTSCAPE_SHARED", shared)
    at = open_app("train", **state)
    assert said(at) == state
    preset = next((name for name in PRESETS if name.lower() == state.get("preset")), at_first)
    assert at.selectbox(key="train_preset").value == preset
    assert at.selectbox(key="train_kind").value == state.get("kind", KIND_OF[preset])


def test_back_on_train_fills_the_form_as_it_was(jobs, monkeypatch, go_back):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    at = open_app("train")
    at.selectbox(key="train_preset").select("Textbook").run()
    at.number_input(key="train_epochs").set_value(3)
    at.button(key="train_start").click().run()
    (run,) = jobs.store.all()
    jobs.stop(run)
    typed = {name: value for name, value in said(at).items() if name != "run"}
    assert typed == {"preset": "textbook", "epochs": "3"}
    for state, form in (({"preset": "textbook"}, (10, 20)), ({}, (10, 2)), (typed, (3, 20))):
        go_back(at, **state)
        assert said(at) == state
        assert (at.number_input(key="train_epochs").value, at.number_input(key="train_latent_dim").value) == form


OTHERWISE = {bool: lambda each, usual: not usual, int: lambda each, usual: int(each.high), float: lambda each, usual: each.high}


def otherwise(each: Setting, usual):
    """Another value of a setting than the usual one."""
    if each.choices or each.suggested:
        return next(value for value in each.choices or each.suggested if value != usual)
    return OTHERWISE[each.kind](each, usual)


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_setting_of_a_training_is_in_its_address(jobs, monkeypatch, kind):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    usual = values_of("Watch a map form") if kind == "vae" else plain(kind)
    values = {name: otherwise(each, usual[name]) for name, each in form_settings(kind).items()}
    state = {each.word: each.spell(values[name]) for name, each in form_settings(kind).items()} | {"data": "digits"}
    state |= {} if kind == "vae" else {"kind": kind}
    at = open_app("train", **state)
    assert said(at) == state
    assert {name: at.session_state[f"train_{name}"] for name in values} == values


def test_a_field_that_is_left_empty_where_the_preset_fills_it_is_in_the_address(jobs, monkeypatch):
    """What empty means is the family's own."""
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    state = {"preset": "textbook", "batch_size": "own", "lr": "own"}
    at = open_app("train", **state)
    assert said(at) == state
    assert at.session_state["train_batch_size"] is at.session_state["train_lr"] is None


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("nonsense", ["-1", "1e400", "nan", "x" * 300, "<b>", "true "])
def test_a_setting_that_cannot_be_is_said_and_is_as_usual(jobs, monkeypatch, kind, nonsense):
    monkeypatch.setenv("LATENTSCAPE_SHARED", "0")
    settings = {each.word: nonsense for each in form_settings(kind).values()}
    own = {} if kind == "vae" else {"kind": kind}
    at = open_app("train", **own, **settings, data=nonsense)
    assert said(at) == own
    (complaint,) = [box.value for box in at.text if "\n" in box.value]
    assert len(complaint.splitlines()) == len(settings) + 1
    assert "what there is not" in at.info[0].value
    at.selectbox(key="train_preset").select("Textbook").run()
    assert not at.info  # read, and gone on


RESTORE = [
    {}, {"damage": "block", "amount": "12", "image": "7"},
    {"picture": "photo", "tile": "3", "amount": "0.9", "curve": "stroke"},
    {"damage": "painted", "brush": "4"}, {"damage": "half", "seed": "5"}, {"picture": "drawing", "damage": "gaussian"},
]
AUTOENCODERS = [
    {}, {"first": "40", "dropped": "true", "image": "9"}, {"section": "merged-digits", "one": "3", "two": "8", "share": "0.3"},
    {"section": "vector-field", "rate": "0.75"}, {"section": "ae-against-vae", "seed": "7"}, {"section": "bottleneck"},
]


@pytest.mark.parametrize(("page", "states"), [("restore", RESTORE), ("autoencoders", AUTOENCODERS)])
def test_a_link_opens_exactly_its_state_and_back_does_too(go_back, page, states):
    at = open_at(page)
    for state in [*states, *reversed(states)]:
        go_back(at, **state)
        assert said(at) == state
    for state in states[1:3]:
        assert said(open_at(page, **state)) == state


@pytest.mark.parametrize("page", ["restore", "autoencoders"])
@pytest.mark.parametrize("nonsense", ["-1", "1e9", "nan", "<b>"])
def test_a_number_that_cannot_be_is_said_and_is_as_usual(page, nonsense):
    at = open_at(page, image=nonsense)
    assert said(at) == {}
    assert "what there is not" in at.info[0].value


@pytest.mark.parametrize("page", ["explore", "map"])
@pytest.mark.parametrize(
    ("name", "said"), [("kept/night", "called night "), ("faces-32d", "called faces-32d "), ("own/hers", "The model that the")]
)
def test_a_model_that_is_not_here_is_named_and_how_to_get_it_is_said(no_analyses, page, name, said):
    at = open_at(page, checkpoint=name)
    (complaint,) = [box.value for box in at.text if "not here" in box.value]
    assert said in complaint
    assert "open it in the sidebar" in complaint


@pytest.mark.parametrize("page", ["explore", "map", "sweep", "train", "restore", "autoencoders"])
def test_what_an_address_asks_for_in_vain_is_said_without_its_words(no_analyses, jobs, page):
    """Whoever made the link may have written anything."""
    names = ["checkpoint", "plane", "picture", "z", "show", "image", "section", "walk", "beside", "colour", "preset", "kind"]
    for name in names:
        at = open_at(page, **{name: "Call 555-0100 now"})
        known = name in said(open_at(page)) or any("what there is not" in box.value for box in at.info)
        assert known or name not in said(at)
        assert not any("555" in repr(node) for node in (*at.text, *at.info, *at.markdown, *at.caption))
