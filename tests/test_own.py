"""The store of visitors' own pictures: whose they are, how long they live, how much they may weigh, how they travel."""

import gc
import weakref

import numpy as np
import pytest

from ui import own
from ui.jobs import Jobs
from ui.own import OwnStore, Pictures, Settings, Upload
from ui.runs import DONE, FAILED, PAUSED, Run
from vae_core.data import image_set
from vae_core.errors import BadInput
from vae_core.folder import Report

KB = 1024


class World:
    """A store whose clock and whose open tabs the test decides on."""

    def __init__(self, most: int = 1000 * KB, most_each: int = 400 * KB):
        self.now, self.open = 0.0, set()
        self.store = OwnStore(self.open.__contains__, lambda: self.now, most, most_each)

    def bring(self, owner: str, kilobytes: int, name: str = "flags.zip", **about) -> Pictures:
        """Pictures that weigh so much, of a visitor whose tab is open."""
        self.open.add(owner)
        labels = np.zeros(0, np.int64)
        images = image_set(
            name, np.zeros((kilobytes, 1, 32, 32), np.uint8), labels, np.zeros((0, 1, 32, 32), np.uint8), labels, ()
        )
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


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(OwnStore, "_tick", lambda self: None)  # the test says when
    return World()


def test_a_visitor_sees_their_own_pictures_and_no_others(world):
    mine, other = world.bring("a", 10), world.bring("b", 10)
    world.upload("b", 1)
    assert world.store.pictures("a", "a") == [mine]
    assert world.store.pictures("b", "b") == [other]
    assert world.store.pictures("c", "c") == []
    assert world.store.uploads("a", "a") == []


def test_pictures_leave_two_minutes_after_the_tab_was_closed_and_memory_with_them(world):
    kept = weakref.ref(world.bring("a", 10))
    world.upload("a", 10)
    world.now += 10_000
    assert not world.store.forget()
    world.open.clear()
    world.now += own.AWAY_SECONDS - 1
    assert not world.store.forget()
    world.open.add("a")  # a laptop that slept
    world.now += 2
    assert not world.store.forget()
    world.open.clear()
    world.now += own.AWAY_SECONDS + 1
    assert world.store.forget()
    assert world.store.size() == 0
    gc.collect()
    assert kept() is None


def test_a_reload_of_the_page_keeps_them(world):
    mine = world.bring("a", 10)
    world.open.clear()
    world.open.add("session after the reload")
    assert world.store.pictures("a", "session after the reload") == [mine]
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


def test_what_the_visitor_removes_is_gone_at_once_unless_a_run_needs_it(world):
    first, second = world.bring("a", 10), world.bring("a", 10, seed=1)
    second.runs.add("run")
    world.upload("a", 10)
    world.store.drop("a")
    assert world.store.pictures("a", "a") == []
    assert world.store.uploads("a", "a") == []
    assert world.store.size() == second.size == first.size
    second.runs.clear()
    world.store.forget()
    assert world.store.size() == 0


def test_of_many_zip_files_and_sets_the_oldest_goes(world):
    uploads = [world.upload("a", 10 + number) for number in range(own.MAX_UPLOADS + 1)]
    assert world.store.uploads("a", "a") == uploads[1:]
    world.store.remove(uploads[1])
    assert world.store.uploads("a", "a") == uploads[2:]
    sets = [world.bring("a", 10, seed=seed) for seed in range(own.MAX_SETS + 1)]
    assert world.store.pictures("a", "a") == sets[1:]


def test_one_visitor_may_have_so_much_and_their_zip_file_goes_first(world):
    first = world.bring("a", 150)
    world.upload("a", 200)
    second = world.bring("a", 150, seed=1)
    assert world.store.uploads("a", "a") == []
    assert world.store.pictures("a", "a") == [first, second]
    third = world.bring("a", 150, seed=2)
    assert world.store.pictures("a", "a") == [second, third]
    second.runs.add("run")
    third.runs.add("run")
    with pytest.raises(BadInput, match=r"flags\.zip is more than fits"):
        world.bring("a", 150)
    assert world.store.pictures("a", "a") == [second, third]


def test_a_full_server_says_so_and_what_nobody_uses_goes_first(world):
    kept = {owner: world.bring(owner, 300) for owner in ("a", "b", "c")}
    with pytest.raises(BadInput, match=r"flags\.zip does not fit beside them; try again later"):
        world.bring("d", 300)
    assert world.store.size() == 900 * KB + 0
    world.open.discard("b")
    world.bring("d", 300)
    assert world.store.pictures("b", "b") == []
    assert world.store.pictures("a", "a") == [kept["a"]]
    world.now += own.IDLE_SECONDS + 1
    world.store.pictures("c", "c")
    kept["a"].runs.add("run")
    world.bring("e", 300)  # d looked at theirs longest ago, and no run uses them
    assert world.store.pictures("d", "d") == []
    assert world.store.pictures("c", "c") == [kept["c"]]


def test_a_zip_file_of_somebody_else_goes_before_anybody_is_refused(world):
    world.bring("a", 300)
    world.bring("b", 300)
    world.upload("c", 300)
    assert world.bring("d", 300)
    assert world.store.uploads("c", "c") == []


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
    monkeypatch.setattr(own, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(own, "AWAY_SECONDS", 0)
    monkeypatch.setattr(own, "give_back", lambda: given.append(True))
    world = World()
    world.bring("a", 10)
    watch = world.store._watch
    world.open.clear()
    world.now += 1
    watch.join(timeout=10)
    assert not watch.is_alive()
    assert given == [True]
    assert world.store.size() == 0
    assert own.give_back() is None
