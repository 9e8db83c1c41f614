"""Somebody's words on a page: names of files, classes, data sets and models, and sentences that hold some.

They are shown as text, whatever they say. Streamlit's markdown would load a picture from anywhere, also in captions, labels of
tabs, values of metrics and the text of a progress bar; Plotly reads tags in titles and names, and fields in hover templates.
st.text, tables, and the options of select boxes show words as they are.
"""

import re

import streamlit as st


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
