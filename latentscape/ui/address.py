"""What a page shows, said in its address: read when a visitor comes by a link, by Back or by Forward, written when it changes.

Each page has a table of words: a parameter of the address, and the state that it stands for. A change that the visitor meant (a
model, a section) adds one entry to the browser's history. A point that is dragged, defaults that are filled in, and what was
nobody's doing change the present one.

Streamlit would add an entry for every change of st.query_params, at whatever page the browser shows when it hears of it. Our
first page keeps it from that (server/assets/history.js); a component writes the address, and is told which changes deserve an
entry of their own (assets/address.js). st.query_params is what the browser asks with next.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar

import streamlit as st

from latentscape.server import streamlit_private
from latentscape.ui.component import component
from vae_core.errors import BadInput
from vae_core.settings import Setting

RECENT = 20  # addresses of a page that the browser may still send with a press, although a newer one is on its way to it
OWN = "own"  # the word of a setting whose field was left empty: what that means differs from family to family
T = TypeVar("T")

_component = component("address", "address.js")


class Word(NamedTuple):
    """A parameter of a page's address, and the state that it stands for."""

    name: str
    say: Callable[[], str | None]  # the state as a word; None at its default, which is left out
    mean: Callable[[str], None]  # put the state to what a word means, "" to its default; raises BadInput where it means nothing
    moves: bool = False  # under a hand that drags: its changes add no entry


class Partly(BadInput):
    """A part of a word names nothing; the rest was put."""


@dataclass
class _Visit:
    """A visit of this tab to a page, since the visitor came to it, or came back to another of its entries."""

    page: str
    asked: dict[str, str]  # what the address said when this run was asked for
    arrived: dict[str, str] | None  # what the address says and nobody has read yet
    whole: bool  # whether what it leaves out is at its default, and not as it stands
    recent: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    said: dict[str, str] | None = None  # what we wrote last
    filling: bool = True  # whether what differs when it is written next was not the visitor's doing
    entry: dict = field(default_factory=lambda: {"change": "", "before": {}})  # the latest that was added
    tabs: set[str] = field(default_factory=set)  # the keys of those that are reopened
    refused: list[str] = field(default_factory=list)  # what was asked for that is nothing, until the visitor goes on
    complaint: object = None  # where that is said in this run


def of_widget(name: str, key: str, find: Callable[[str], T | None], spell: Callable[[T], str] = str, default=None) -> Word:
    """The word of one widget. find: word -> value, None where it names none."""

    def say() -> str | None:
        value = st.session_state.get(key, default)
        return None if value == default else spell(value)

    def mean(word: str) -> None:
        found = find(word) if word else None
        if word and found is None:
            raise unknown(name)
        st.session_state[key] = default if found is None else found

    return Word(name, say, mean)


def of_choice(name: str, key: str, options: Mapping[str, object], default) -> Word:
    """The word of a widget that chooses among `options`: word -> value."""
    return of_widget(name, key, options.get, {value: word for word, value in options.items()}.get, default)


def of_setting(each: Setting, key: str, default) -> Word:
    """The word of the widget of a setting."""

    def say() -> str | None:
        value = st.session_state.get(key, default)
        return None if value == default else OWN if value is None else each.spell(value)

    def mean(word: str) -> None:
        is_empty = word == OWN and each.default is None
        st.session_state[key] = None if is_empty else each.read(word) if word else default

    return Word(each.word, say, mean)


def unknown(name: str) -> BadInput:
    """What `mean` raises for a word that names nothing. It does not say the word: whoever made the link may mean ill."""
    return BadInput(f"The {name} that the address names is not here; the usual one is shown.")


def whole_numbers(words: Sequence[str], low: int, high: int, count: int) -> list[int] | None:
    """`count` whole numbers from low to high, or None."""
    if len(words) != count or not all(word.isascii() and word.isdigit() and len(word) < 7 for word in words):
        return None
    values = [int(word) for word in words]
    return values if all(low <= value <= high for value in values) else None


def remember(key: str, default, fits: Callable[[object], bool]) -> None:
    """Before a widget is drawn: its value stays if it fits what there is to choose from now, else it is the default."""
    if key not in st.session_state or not fits(st.session_state[key]):
        st.session_state[key] = default


def reopen(key: str, names: Iterable[str]) -> None:
    """Before the address is read: of tabs, which Streamlit forgets when their page is left, the one that was open then is open
    again, where it is one of these. `write` notes it."""
    visit: _Visit = st.session_state["address"]
    visit.tabs.add(key)
    if key not in st.session_state and (left := st.session_state.get(f"{key}_when_left")) in names:
        st.session_state[key] = left


def enter(page: str) -> None:
    """At the start of each run of a page: find out whether its address is to be read."""
    visit: _Visit | None = st.session_state.get("address")
    query, back = st.query_params.to_dict(), streamlit_private.came_by_history()
    stays = visit is not None and visit.page == page
    if stays and not back and (visit.said is None or query in visit.recent):
        visit.asked = query
        return
    recent = visit.recent if stays else deque(maxlen=RECENT)
    recent.append(query)
    st.session_state["address"] = _Visit(page, query, dict(query), back, recent)


def read_one(word: Word) -> None:
    """Put the state of one word to what the address says, before the page reads the others."""
    visit: _Visit = st.session_state["address"]
    arrived = visit.arrived or {}
    if word.name in arrived:
        _put(word, arrived[word.name], visit)
        del arrived[word.name]


def read(words: Iterable[Word]) -> None:
    """Put the page's state to what its address says, if the visitor has just come to it.

    Streamlit ends a run at any of its calls where another press has come, so it is all read again until all of it was read.
    """
    visit: _Visit = st.session_state["address"]
    arrived = visit.arrived
    for word in words if arrived is not None else ():
        if visit.whole or word.name in arrived:
            _put(word, arrived.get(word.name, ""), visit)
    visit.arrived = None
    visit.complaint = st.empty()
    if visit.refused:
        with visit.complaint.container():
            st.info("The address asks for what there is not.", icon=":material/link_off:")
            st.text("\n".join(visit.refused))


def _put(word: Word, spelled: str, visit: _Visit) -> None:
    try:
        word.mean(spelled)
    except BadInput as error:
        if str(error) not in visit.refused:  # a run that is broken off reads it again
            visit.refused.append(str(error))
        if not isinstance(error, Partly):
            word.mean("")


def pass_over() -> None:
    """What the address says is of something that is not here: all of it would mean something else."""
    st.session_state["address"].arrived = None


def fill_in() -> None:
    """What differs in this run's address was not the visitor's doing."""
    st.session_state["address"].filling = True


def as_they_stand(words: Iterable[Word]) -> list[Word]:
    """Words that say later what they would say now: of a widget that is drawn after st.rerun, the state tells its own default
    until the browser answers."""
    return [Word(word.name, partial(_same, word.say()), word.mean, word.moves) for word in words]


def _same(spelled: str | None) -> str | None:
    return spelled


def write(words: Sequence[Word]) -> None:
    """Say in the address what the page shows now."""
    visit: _Visit = st.session_state["address"]
    said = {word.name: spelled for word in words if (spelled := word.say()) is not None}
    for key in visit.tabs:
        st.session_state[f"{key}_when_left"] = st.session_state.get(key)
    if said != visit.said:
        if not visit.filling and _meant(visit.said, words) != _meant(said, words):
            visit.entry = {"change": secrets.token_hex(8), "before": visit.said}
            visit.refused.clear()
            visit.complaint.empty()
        visit.said = said
        visit.recent.append(said)
    visit.filling = False
    if st.query_params.to_dict() != said:
        st.query_params.from_dict(said)
    _component(key="address_entry", data={"page": visit.page, "asked": visit.asked, **visit.entry, "after": said})


def say_nothing() -> None:
    """On a page that has nothing to say in its address, which can be copied all the same."""
    visit: _Visit = st.session_state["address"]
    _component(key="address_entry", data={"page": visit.page, "asked": visit.asked, **visit.entry, "after": {}})


def _meant(said: Mapping[str, str], words: Iterable[Word]) -> dict[str, str | None]:
    return {word.name: said.get(word.name) for word in words if not word.moves}
