"""Turns: nobody waits for a stranger's whole run, everybody sees a first map soon, and who is alone notices nothing."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentscape.work.runs import QUEUED, RUNNING, Frame, Run
from latentscape.work.turns import FIRST_SECONDS, NEAR_SECONDS, TURN_SECONDS, Turns

STEP = 0.25  # seconds of the simulated clock
MAP_AFTER = 1.0  # seconds of training


def frame(epoch: float) -> Frame:
    nothing = np.zeros((0, 2), np.float32)
    return Frame(epoch, nothing, nothing, nothing, None)


class World:
    """What Jobs and workers do, with a clock that a test moves: the runs are trained for as many seconds as they need."""

    def __init__(self, slots: int):
        self.now, self.slots = 0.0, slots
        self.turns = Turns(lambda: self.now)
        self.turns.slots = slots
        self.running: list[Run] = []
        self.begun: list[tuple[float, Run]] = []  # every turn
        self.trained: dict[str, float] = {}
        self.mapped: dict[str, float] = {}  # run -> when its first map was seen
        self.ended: dict[str, float] = {}

    def ask(self, owner: str, seconds: float) -> Run:
        run = Run({"training": {"epochs": 100}, "seconds": seconds}, owner)
        self.trained[run.id] = 0.0
        self.turns.add(run)
        return run

    def step(self) -> None:
        while len(self.running) < self.slots and self.turns.waiting:
            run = self.turns.order()[0]
            self.turns.begin(run)
            run.status = RUNNING
            self.running.append(run)
            self.begun.append((self.now, run))
        self.now += STEP
        for run in list(self.running):
            self.trained[run.id] += STEP
            done, needed = self.trained[run.id], run.request["seconds"]
            run.rate, run.left = 1.0, needed - done
            run.live = frame(0 if done < MAP_AFTER else 100 * done / needed)
            if done >= MAP_AFTER:
                self.mapped.setdefault(run.id, self.now)
            if done >= needed:
                self.leave(run)
                self.ended[run.id] = self.now
        for run in self.turns.to_give_way():
            self.leave(run)
            run.status = QUEUED
            self.turns.add(run)

    def leave(self, run: Run) -> None:
        self.running.remove(run)
        self.turns.end(run)

    def finish(self) -> None:
        while self.running or self.turns.waiting:
            self.step()


VISITORS = st.lists(st.tuples(st.integers(1, 6), st.integers(2, 40)), min_size=1, max_size=8)  # runs, seconds of each


@given(VISITORS, st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_all_go_round_and_all_come_to_an_end(visitors, slots):
    world = World(slots)
    runs = [world.ask(f"visitor {n}", seconds) for n, (count, seconds) in enumerate(visitors) for _ in range(count)]
    world.finish()
    assert set(world.ended) == {run.id for run in runs}
    work = sum(run.request["seconds"] for run in runs)
    assert max(world.ended.values()) <= work / slots + 41 + STEP  # no slot was idle while somebody waited
    owners = [run.owner for _, run in world.begun]
    for n, (count, _) in enumerate(visitors):
        own = [index for index, owner in enumerate(owners) if owner == f"visitor {n}"]
        for before, after in itertools.pairwise(own) if count == 1 else ():
            between = owners[before + 1 : after]  # while one waited, another had a turn in each slot, and one more began before
            assert all(between.count(other) <= 2 * slots for other in set(between))


@pytest.mark.parametrize("slots", [1, 2, 4])
@pytest.mark.parametrize("several", [1, 6])
def test_a_class_sees_its_first_maps_one_after_the_other(slots, several):
    world = World(slots)
    firsts = []
    for number in range(30):
        firsts += [world.ask(f"learner {number}", 10) for _ in range(several if number == 0 else 1)][:1]
        world.now += 5 / 30
    start = world.now
    world.finish()
    times = sorted(world.mapped[run.id] for run in firsts)
    assert times[-1] - start <= 30 * FIRST_SECONDS / slots + STEP
    if several == 1:
        assert max(world.ended.values()) - start <= 30 * 10 / slots + TURN_SECONDS + NEAR_SECONDS  # no second is wasted


@given(st.integers(1, 6), st.integers(2, 60), st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_who_is_alone_never_gives_way(count, seconds, slots):
    world = World(slots)
    runs = [world.ask("alone", seconds) for _ in range(count)]
    world.finish()
    assert [run for _, run in world.begun] == runs  # one turn each, in the order that was asked for


@pytest.mark.parametrize("slots", [1, 2])
def test_a_sweep_is_one_visitor(slots):
    world = World(slots)
    sweep = [world.ask("sweep", 20) for _ in range(6)]
    world.step()
    other = world.ask("single", 20)
    world.finish()
    assert world.ended[other.id] <= 2 * 20 + FIRST_SECONDS + TURN_SECONDS + NEAR_SECONDS  # half of the machine was hers
    assert world.ended[other.id] < world.ended[sweep[-1].id]


def test_a_newcomer_comes_before_the_second_turn_of_all_others():
    world = World(1)
    for number in range(5):
        world.ask(f"old {number}", 100)
    while world.now < 40:
        world.step()
    new = world.ask("new", 100)
    asked = world.now
    while new.id not in world.mapped:
        world.step()
    assert world.mapped[new.id] - asked <= TURN_SECONDS + MAP_AFTER + 2 * STEP


def test_who_is_near_the_end_may_come_to_it():
    world = World(1)
    first, second = world.ask("first", 1 + TURN_SECONDS + 1), world.ask("second", 30)
    while first.id not in world.ended:
        world.step()
    assert [run for _, run in world.begun[:4]] == [first, second, first, second][: len(world.begun)]


@given(VISITORS, st.integers(1, 3), st.integers(1, 60))
@settings(deadline=None, max_examples=40)
def test_a_place_says_who_is_before_and_about_when(visitors, slots, steps):
    world = World(slots)
    for n, (count, seconds) in enumerate(visitors):
        for _ in range(count):
            world.ask(f"visitor {n}", seconds)
    for _ in range(steps):
        world.step()
    places = {run.id: world.turns.place(run) for run in world.turns.waiting}
    assert sorted(place.position for place in places.values()) == list(range(1, len(places) + 1))
    assert all(place.waiting == len(places) for place in places.values())
    by_place = sorted(places.values())
    assert [place.seconds for place in by_place] == sorted(place.seconds for place in by_place)
    assert all(world.turns.place(run) is None for run in world.running)
    if len(visitors) > 1 and places:
        told = world.now + min(by_place).seconds
        run = next(run for run in world.turns.waiting if places[run.id].position == 1)
        alone = {run.owner for run in world.running} >= {run.owner for run in world.turns.waiting}
        count = len(world.begun)
        while len(world.begun) == count:
            world.step()
        if not alone:
            assert world.begun[count][1] is run
            assert world.begun[count][0] <= told + TURN_SECONDS + NEAR_SECONDS


def test_nothing_is_told_while_there_is_no_worker():
    world = World(0)
    run = world.ask("me", 3)
    assert world.turns.place(run) == (1, 1, None)
    assert world.turns.to_give_way() == []


def test_visitors_are_not_remembered_for_ever():
    world = World(1)
    for number in range(1500):
        world.ask(f"visitor {number}", STEP)
    world.finish()
    assert len(world.turns._served) <= 1000
