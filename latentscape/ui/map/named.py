"""A selection without a mouse: whole classes, or images by their numbers."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from latentscape.ui.codes import Codes
from latentscape.ui.words import refused
from vae_core.errors import BadInput

CLASSES, NUMBERS = "map_classes", "map_numbers"  # widgets
MOST_WORDS = 500  # of a list of numbers


def named(codes: Codes, select: Callable[[np.ndarray], None], is_nothing: bool) -> None:
    """Draw the two fields, empty where nothing is selected. `select` is called with the numbers (N,) that either one means."""
    if is_nothing and not st.session_state.get("map_numbers_problem"):
        forget_names()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if codes.classes:
            st.multiselect(
                "Select classes", range(len(codes.classes)), format_func=lambda label: codes.classes[label], key=CLASSES,
                placeholder="any", on_change=_take_classes, args=(codes, select), persist_state="session", width=320,
            )
        st.text_input(
            "Select images", key=NUMBERS, placeholder="3, 5, 10-20", on_change=_take_numbers, args=(codes, select),
            persist_state="session", width=320,
        )
    if problem := st.session_state.get("map_numbers_problem"):
        refused("These images were not selected.", problem, st.warning)


def forget_names() -> None:
    """What is selected now was not chosen here."""
    st.session_state.update({CLASSES: [], NUMBERS: "", "map_numbers_problem": None})


def _take_classes(codes: Codes, select: Callable[[np.ndarray], None]) -> None:
    labels = [label for label in st.session_state[CLASSES] if label < len(codes.classes)]
    select(np.flatnonzero(np.isin(codes.labels, labels)))
    st.session_state.update({NUMBERS: "", "map_numbers_problem": None})


def _take_numbers(codes: Codes, select: Callable[[np.ndarray], None]) -> None:
    try:
        numbers = numbers_of(st.session_state[NUMBERS], len(codes.images))
    except BadInput as problem:
        st.session_state["map_numbers_problem"] = str(problem)
        return
    select(numbers)
    st.session_state.update({CLASSES: [], "map_numbers_problem": None})


def numbers_of(words: str, count: int) -> np.ndarray:
    """What "3, 5, 10-20" means among `count` images: their numbers, each once, smallest first. Raises BadInput."""
    found: set[int] = set()
    parts = words[:MOST_WORDS * 20].replace(",", " ").replace(";", " ").replace("–", "-").split()
    if len(parts) > MOST_WORDS:
        raise BadInput(f"{len(parts):,} numbers are too many to read; write at most {MOST_WORDS}, and ranges like 10-20.")
    for part in parts:
        first, dash, last = part.partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdigit() for end in ends):
            raise BadInput(f"{part[:20]} is no number of an image; write numbers and ranges, like 3, 5, 10-20.")
        low, high = (int(end[:12]) for end in ends)
        if low > high or high >= count:
            last_one = f"there are {count:,} test images, numbered 0 to {count - 1}"
            raise BadInput(f"{part[:20]} names no images: {last_one}." if low <= high else f"{part[:20]} runs backwards.")
        found.update(range(low, high + 1))
    return np.array(sorted(found), int)
