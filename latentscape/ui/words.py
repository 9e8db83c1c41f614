"""Words on a page: a refusal, a turn and a duration; and what somebody wrote: names of files, classes, data sets and models.

Somebody's words are shown as text, whatever they say. Streamlit's markdown would load a picture from anywhere, in captions,
labels of tabs, values of metrics and the text of a progress bar too; Plotly reads tags in titles and names, and fields in hover
templates. st.text, tables, and the options of select boxes show words as they are.
"""

import math
import re

import streamlit as st

from latentscape.work.turns import Place


def refused(title: str, problem: object, box=st.error) -> None:
    """That something was not done, in a box, and below it why: a sentence that may hold somebody's words."""
    box(title)
    st.text(str(problem))


def in_markdown(words: str) -> str:
    """As code, where nothing is read as anything else: for a name within a line of ours."""
    words = " ".join(words.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", words)), default=0))
    return f"{fence} {words} {fence}"


def in_chart(words: str) -> str:
    """For names, titles and annotations of a Plotly figure; a hover template takes them from there."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def turn_in_words(place: Place) -> str:
    """When a run has its turn, as a page says it."""
    soon = "" if place.seconds is None else f"its turn comes in about {duration(5 * math.ceil(max(place.seconds, 1) / 5))}, "
    return f"{soon}{ordinal(place.position)} of {place.waiting}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st …"""
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def duration(seconds: float) -> str:
    """12 s, 99 s, 1 min 40 s."""
    seconds = round(seconds)
    return f"{seconds} s" if seconds < 100 else f"{seconds // 60} min {seconds % 60:02d} s"
