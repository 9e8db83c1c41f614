"""The store of what visitors leave: whose it is, how long it lives, how much it may weigh, who makes room for whom."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from conftest import PATIENCE
from hypothesis import given, settings
from hypothesis import strategies as st
from test_runs import a_run, frame

from latentscape.ui import own
from latentscape.work import store as store_module
from latentscape.work.belongings import Model, Pictures, Settings, Upload, budget
from latentscape.work.jobs import Jobs
from latentscape.work.runs import DONE, FAILED, PAUSED, RUNNING, Run, RunStore
from latentscape.work.store import AWAY_SECONDS, EVERYBODY, IDLE_SECONDS, KEEP_SECONDS, Store, weight
from vae_core.data import ImageSet, image_set
from vae_core.errors import BadInput
from vae_core.folder import Report

KB = 1024


class World:
    """A store whose clock and whose open tabs the test decides on. A visitor's only session is called like the visitor."""

    def __init__(self, most: int = 1000 * KB):
        self.now, self.open = 0.0, set()
        self.store = Store(self.open.__contains__, lambda: self.now, most)

    def bring(self, owner: str, kilobytes: int, name: str = "flags.zip", **about) -> Pictures:
        """Pictures that weigh so much, of a visitor whose tab is open."""
        self.open.add(owner)
        labels, pixels = torch.zeros(0, dtype=torch.int64), torch.zeros((kilobytes, 1, 32, 32), dtype=torch.uint8)
        images = ImageSet(name, pixels, labels, pixels[:0], labels, (), "")
        made = Pictures(
            owner=owner, name=name, upload="u", settings=Settings(**about), images=images, report=Report(9, (), 0, 0, 0, 0, {})
        )
        self.store.add(made, session=owner)
        return made

    def upload(self, owner: str, kilobytes: int) -> Upload:
        self.open.add(owner)
        made = Upload(owner=owner, name="flags.zip", raw=bytes(kilobytes * KB))
        self.store.add(made, session=owner)
        return made

    def remember(self, key: str, kilobytes: int, owner: str = EVERYBODY, session: str = "") -> bytes:
        return self.store.remembered(key, lambda: bytes(kilobytes * KB), owner, session)

    def has(self, owner: str, kind: type = Pictures) -> list:
        """What the owner has, without looking at it."""
        return [held for held in self.store._of(owner) if isinstance(held, kind)]


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(Store, "_watch_over", lambda self: None)  # the test says when
    return World()


# A visitor's own.


def test_a_visitor_sees_their_own_and_no_others(world):
    mine, other = world.bring("a", 10), world.bring("b", 10)
    world.upload("b", 1)
    assert world.store.of("a", "a", Pictures) == [mine]
    assert world.store.of("b", "b", Pictures) == [other]
    assert world.store.of("c", "c", Pictures) == []
    assert world.store.of("a", "a", Upload) == []


def test_pictures_leave_two_minutes_after_the_tab_was_closed_and_memory_with_them(world):
    kept = weakref.ref(world.bring("a", 10))
    world.upload("a", 10)
    world.now += 10_000
    assert not world.store.forget()
    world.open.clear()
    world.now += AWAY_SECONDS - 1
    assert not world.store.forget()
    world.open.add("a")  # a laptop that slept
    world.now += 2
    assert not world.store.forget()
    world.open.clear()
    world.now += AWAY_SECONDS + 1
    assert world.store.forget()
    assert world.store.size() == 0
    gc.collect()
    assert kept() is None


def test_models_wait_half_an_hour_for_their_owner(world):
    world.open.add("a")
    world.store.add(Model(owner="a", name="mine", weights=bytes(KB)), "a")
    world.open.clear()
    world.now += KEEP_SECONDS - 1
    world.store.forget()
    assert world.has("a", Model)
    world.now += 2
    assert world.store.forget()
    assert world.store.size() == 0


def test_a_reload_of_the_page_keeps_them(world):
    mine = world.bring("a", 10)
    world.open.clear()
    world.open.add("session after the reload")
    assert world.store.of("a", "session after the reload", Pictures) == [mine]
    world.now += 10_000
    world.store.forget()
    assert world.store.size()


def test_a_run_keeps_its_pictures_until_it_is_over(world):
    mine = world.bring("a", 10)
    mine.runs.add("run")
    world.open.clear()
    world.now += 10_000
    world.store.forget()
    assert world.store.size()
    mine.runs.discard("run")
    assert world.store.forget()


def test_what_the_visitor_removes_is_gone_at_once_with_what_was_made_of_it(world):
    world.bring("a", 10)
    world.bring("a", 10, seed=1).runs.add("run")
    world.upload("a", 10)
    world.remember("codes", 10, "a", "a")
    world.store.add(Model(owner="a", name="mine", weights=bytes(KB)), "a")
    world.bring("b", 10)
    world.store.drop("a", Upload, Pictures)
    assert world.store.size("a") == KB  # the model is no picture
    assert world.has("b")


def test_a_second_tab_holds_nothing_back_of_what_the_visitor_removes(world):
    mine = world.bring("a", 10)
    world.open |= {"a's second tab", "b"}
    world.store.of("a", "a's second tab", Pictures)
    for session in ("a", "a's second tab"):
        world.remember("parcel of theirs", 10, session=session)
    for session in ("a", "b"):
        world.remember("parcel of all", 10, session=session)
    world.store.drop("a", Pictures)
    assert mine not in world.has("a")
    assert [held.key for held in world.store._known.values()] == ["parcel of all"]


def test_of_many_zip_files_and_sets_the_oldest_goes(world):
    uploads = [world.upload("a", 10 + number) for number in range(Upload.most + 1)]
    assert world.has("a", Upload) == uploads[1:]
    world.store.remove(uploads[1])
    assert world.has("a", Upload) == uploads[2:]
    sets = [world.bring("a", 10, seed=seed) for seed in range(Pictures.most + 1)]
    assert world.has("a") == sets[1:]


def test_one_visitor_may_have_half_and_what_was_made_and_their_zip_file_go_first(world):
    first = world.bring("a", 180)
    world.remember("codes", 100, "a", "a")
    world.upload("a", 200)
    second = world.bring("a", 180, seed=1)
    assert not world.has("a", Upload)
    third = world.bring("a", 180, seed=2)
    assert world.has("a") == [second, third]
    assert first not in world.has("a")
    second.runs.add("run")
    third.runs.add("run")
    with pytest.raises(BadInput, match=r"flags\.zip is more than fits"):
        world.bring("a", 180)
    assert world.has("a") == [second, third]


# Room.


def test_what_can_be_made_again_goes_before_anything_is_lost(world):
    world.remember("codes", 300)
    world.bring("a", 300)
    world.bring("b", 300)
    world.bring("c", 300)
    assert [owner for owner in "abc" if world.has(owner)] == ["a", "b", "c"]
    assert world.store.size() == 900 * KB


def test_a_full_server_says_so_and_nothing_has_gone(world):
    for owner in "abc":
        world.bring(owner, 300)
    with pytest.raises(BadInput, match=r"flags\.zip does not fit beside it; try again later"):
        world.bring("d", 300)
    assert world.store.size() == 900 * KB


def test_who_has_left_makes_room_first_and_then_who_looked_longest_ago_and_is_told(world):
    for owner in "abc":
        world.bring(owner, 300)
    world.open.discard("b")
    world.bring("d", 300)
    assert not world.has("b")
    world.now += IDLE_SECONDS + 1
    for owner in "ad":
        world.store.of(owner, owner, Pictures)
    world.bring("e", 300)
    assert not world.has("c")
    (sentence,) = world.store.notices("c")
    assert "flags.zip had to make room" in sentence
    assert world.store.notices("c") == []  # once
    assert world.store.notices("a") == world.store.notices("d") == []


def test_who_lost_the_only_thing_they_had_is_told_however_long_the_next_look_takes(world):
    for owner in "abc":
        world.bring(owner, 300)
    world.now += IDLE_SECONDS + 1
    for owner in "bc":
        world.store.of(owner, owner, Pictures)
    world.bring("d", 300)
    assert not world.has("a")
    for _ in range(3):
        world.now += KEEP_SECONDS / 4
        world.store.forget()
    assert len(world.store.notices("a")) == 1
    world.store.tell("gone", "Something had to make room.")
    world.now += KEEP_SECONDS + 1
    world.store.forget()
    assert world.store.notices("gone") == []


def test_who_has_more_than_a_fair_share_makes_room_for_who_has_less(world):
    for seed in range(2):
        world.bring("a", 240, seed=seed)
    for owner in "bc":
        world.bring(owner, 240)
    world.bring("d", 200)  # a quarter each is fair
    assert len(world.has("a")) == 1
    assert world.store.notices("a")
    assert [len(world.has(owner)) for owner in "bcd"] == [1, 1, 1]
    with pytest.raises(BadInput, match="try again later"):
        world.bring("e", 240)  # a fifth is fair now


def test_what_a_run_needs_stays_whatever_happens(world):
    kept = world.bring("a", 400)
    kept.runs.add("run")
    world.open.clear()
    world.now += 10_000
    world.bring("b", 400)
    with pytest.raises(BadInput):
        world.bring("c", 400)
    assert world.has("a") == [kept]


# What is remembered.


def test_what_can_be_made_again_is_made_once_for_all_or_for_its_owner(world):
    made = []

    def make() -> str:
        made.append(True)
        return "codes"

    assert {world.store.remembered("key", make) for _ in range(3)} == {"codes"}
    assert len(made) == 1
    world.store.remembered("key", make, "a", "a")
    world.store.remembered("key", make, "b", "b")
    world.store.remembered("key", make, "b", "b")
    assert len(made) == 3


def test_many_who_ask_at_once_wait_for_one_making(world):
    made, begun, go = [], threading.Event(), threading.Event()

    def make() -> bytes:
        begun.set()
        made.append(True)
        go.wait(10)
        return b"codes"

    threads = [threading.Thread(target=world.store.remembered, args=("key", make)) for _ in range(8)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    assert world.store.remembered("another", lambda: 1) == 1  # who asks for something else does not wait
    go.set()
    for thread in threads:
        thread.join(10)
    assert made == [True]


def test_what_raises_is_tried_again(world):
    def fail():
        raise BadInput("The file is damaged.")

    with pytest.raises(BadInput):
        world.store.remembered("key", fail)
    assert world.store.remembered("key", lambda: 1) == 1


def test_what_is_too_large_to_be_remembered_is_used_once(world):
    assert len(world.remember("large", 2000)) == 2000 * KB
    assert world.store.size() == 0


def test_what_was_made_of_a_visitors_own_leaves_with_them(world):
    world.open.add("a")
    world.remember("codes", 10, "a", "a")
    world.remember("codes", 10)
    world.open.clear()
    world.now += AWAY_SECONDS + 1
    world.store.forget()
    assert world.store.size() == world.store.size(EVERYBODY) == 10 * KB


def test_weight_counts_every_array_once_for_each_place_that_holds_it():
    layer = torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.BatchNorm1d(10))
    assert weight(layer) == 4 * (100 + 10 + 4 * 10) + 8
    images = image_set("x", np.zeros((5, 1, 4, 4), np.uint8), np.zeros(5, np.int64), *(np.zeros(0, np.int64),) * 2, ())
    assert weight({"a": (images, [np.zeros(3), b"12"]), "b": "words", "c": None}) == 80 + 40 + 24 + 2


# Runs count too.


def of_kilobytes(owner: str, kilobytes: int, status: str) -> Run:
    run = a_run(owner, status)
    for epoch in range(4):
        run.add_frame(frame(epoch, kilobytes * KB // 4))
    return run


def test_runs_count_and_those_that_are_over_and_not_looked_at_make_room(world):
    runs = RunStore(world.store)
    old, seen = of_kilobytes("a", 300, DONE), of_kilobytes("b", 300, DONE)
    for run in (old, seen):
        runs.add(run)
    world.open.add("b")
    runs.find(seen.view_id, "b", "b")
    assert world.store.size() == 600 * KB
    world.bring("c", 450)
    assert runs.all() == [seen]
    assert "had to make room" in world.store.notices("a")[0]


def test_a_run_that_grows_loses_its_past_before_anything_else_that_is_seen(world):
    runs = RunStore(world.store)
    run = of_kilobytes("a", 400, RUNNING)
    runs.add(run)
    world.open.add("a")
    runs.find(run.view_id, "a", "a")
    world.bring("b", 400)
    run.state = bytes(500 * KB)
    runs.grown(run)
    assert world.store.size() <= world.store.most
    assert world.has("b")
    assert runs.all() == [run]
    assert run.frames[-1].weights


def test_a_paused_run_that_nobody_looks_at_lets_go_of_its_pictures_as_it_goes(world):
    runs, mine = RunStore(world.store), world.bring("a", 100)
    run = Run({"training": {"epochs": 1}}, "a", status=PAUSED, pictures=mine)
    mine.runs.add(run.id)
    run.state = bytes(500 * KB)
    runs.add(run)
    world.open.clear()
    world.bring("b", 450)
    assert runs.all() == []
    assert mine.runs == set()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(1, 120), st.sampled_from(["own", "made", "shared", "run", "leave"])),
                min_size=1, max_size=150))
def test_whatever_visitors_do_the_budget_holds(steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_watch_over", lambda self: None)
        world = World()
        runs = RunStore(world.store)
        for visitor, kilobytes, what in steps:
            name, world.now = f"v{visitor}", world.now + 7
            try:
                if what == "own":
                    world.bring(name, kilobytes)
                elif what == "made":
                    world.remember(f"codes {kilobytes}", kilobytes, name, name)
                elif what == "shared":
                    world.remember(f"model {kilobytes}", kilobytes)
                elif what == "run" and runs.add(run := of_kilobytes(name, kilobytes, DONE)):
                    runs.grown(run)
                elif what == "leave":
                    world.open.discard(name)
            except BadInput:
                pass
            world.store.forget()
            assert world.store.size() <= world.store.most
        world.open.clear()
        world.now += KEEP_SECONDS + 1
        world.store.forget()
        runs.forget_unseen()
        assert world.store.size() == world.store.size(EVERYBODY)


def test_after_two_hundred_visitors_nothing_of_theirs_is_left(world):
    runs = RunStore(world.store)
    for number in range(200):
        name, world.now = f"visitor {number}", world.now + 1
        world.open.add(name)
        world.upload(name, 20)
        world.bring(name, 20)
        world.store.add(Model(owner=name, name="mine", weights=bytes(20 * KB)), name)
        world.remember("codes", 10, name, name)
        world.remember(f"model {number % 5}", 10, session=name)
        run = of_kilobytes(name, 40, DONE)
        runs.add(run)
        runs.find(run.view_id, name, name)
        runs.grown(run)
        assert world.store.size() <= world.store.most
        world.open.discard(f"visitor {number - 5}")  # five at a time
        world.store.forget()
    world.open.clear()
    world.now += KEEP_SECONDS + 1
    world.store.forget()
    runs.forget_unseen()
    assert world.store.owners() == {EVERYBODY: 50 * KB}


@pytest.mark.parametrize(("asked", "found"), [("500MB", 500_000_000), ("2GiB", 2**31), ("1000", 1000)])
def test_the_budget_can_be_told(monkeypatch, asked, found):
    monkeypatch.setenv("LATENTSCAPE_MEMORY", asked)
    assert budget() == found


@pytest.mark.parametrize("asked", ["much", "-1GB", "0", "nan", "1e999GB"])
def test_a_budget_that_is_none_is_told_to_who_runs_the_server_and_pages_open(monkeypatch, caplog, asked):
    monkeypatch.setenv("LATENTSCAPE_MEMORY", asked)
    with pytest.raises(BadInput, match="no amount of memory"):
        budget()
    assert own.store.__wrapped__().most == own.MEMORY_LIMIT // own.SHARE
    assert "no amount of memory" in caplog.text


class Nowhere:
    """A cluster that takes no images."""

    connected = False

    def listen(self, topic, handler): ...
    def close(self): ...
    def client(self):
        return self

    def training_slots(self) -> int:
        return 1

    def send(self, images, resource):
        raise BadInput("The pictures could not be sent.")


@pytest.mark.parametrize("end", [FAILED, DONE, PAUSED])
def test_a_run_that_is_over_lets_go_of_its_pictures_and_a_paused_one_does_not(world, end, monkeypatch):
    monkeypatch.setattr(Jobs, "_watch", lambda self: None)
    jobs, mine = Jobs(Nowhere()), world.bring("a", 10)
    run = jobs.submit({"training": {"epochs": 1}}, "a", pictures=mine)
    assert isinstance(run, Run)
    assert mine.runs == {run.id}
    if end == FAILED:
        jobs._dispatch()
        assert run.reason == "The pictures could not be sent."
    else:
        jobs._end(run, end)
    assert (mine.runs, run.pictures) == ((set(), None) if end != PAUSED else ({run.id}, mine))
    jobs.close()


def test_the_watch_gives_memory_back_after_pictures_left_and_ends(monkeypatch):
    given = []
    monkeypatch.setattr(store_module, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(store_module, "give_back", lambda: given.append(True))
    monkeypatch.setattr(Upload, "away", 0)
    world = World()
    world.upload("a", 10)
    watch = world.store._watch
    world.open.clear()
    world.now += 1
    watch.join(timeout=PATIENCE)
    assert not watch.is_alive()
    assert given == [True]
    assert world.store.size() == 0


def test_giving_memory_back_works_on_this_machine():
    assert store_module.give_back() is None
