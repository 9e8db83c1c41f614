"""What a file of pictures leaves open, for its visitor to say: the split, the folders that name classes, and of an array which
values are black and white, and the layout of its rows."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from latentscape.ui.pictures import sheet
from latentscape.work.belongings import Pictures, Question
from vae_core import archive, arrays, folder

FIELDS = ("split", "level", "pixels", "layout")
ASKS = {
    "pixels": "Which values are black and white?",
    "layout": "How do the values of a picture lie in a row?",
}
LABELS = {"pixels": "Black to white", "layout": "A row is"}
HELPS = {
    "pixels": "The value of a black pixel and that of a white one.",
    "layout": "How the values of a picture lie in a row of the array.",
}
SCREEN = 56  # pixels of a picture that shows what a choice makes of it


def said(upload: str) -> dict[str, Any]:
    """What was chosen for an upload; None of what was not. Another upload starts anew."""
    return {field: st.session_state.get(_key(field, upload)) for field in FIELDS}


def choices(pictures: Pictures) -> None:
    """Boxes for what was decided, whose options are shown as they are, whatever they are called."""
    report, settings = pictures.report, pictures.settings
    if len(report.levels) > 1 or report.asked:
        titles = {0: "no folders: no classes"}
        for at, one in enumerate(report.levels, 1):
            titles[at] = ", ".join([*one.examples, *["..."] * (one.folders > len(one.examples))])
        st.selectbox(
            "Classes are named by", [None, *(at for at in titles if at != report.usual)], key=_key("level", pictures.upload),
            persist_state="session", format_func=lambda at: titles[report.usual if at is None else at],
            help="The levels at which the folders differ. What looks like sizes or numbers seldom names classes.",
        )
    if report.own_split:
        folders = ", ".join(archive.short(name) for name in report.own_split)
        st.selectbox(
            "Split", folder.SPLITS, key=_key("split", pictures.upload), persist_state="session",
            format_func=lambda kind: f"their own: {folders}" if kind == "own" else "a sixth, drawn with the seed",
            help="Their own keeps what lies in their folder for tests to test on, and trains on the rest.",
        )
    if settings.layout:
        _box("layout", pictures.upload, report.layouts)
    if report.ranges:
        _box("pixels", pictures.upload, report.ranges, "as bytes are" if settings.pixels is None else "Choose")


def question(asked: Question) -> None:
    """What must be told before an array can be read, and what each choice would make of some of its pictures."""
    untold = asked.untold
    st.text(asked.name)
    if untold.note:
        st.text(untold.note)
    st.info(f"{untold.about}. {ASKS[untold.asked]}")
    if asked.settings.layout:
        _box("layout", asked.upload, arrays.layouts_of(untold.some.shape[1]))
    _box(untold.asked, asked.upload, untold.choices)
    for choice in untold.choices:
        pictures = untold.by(choice)
        words = _words(untold.asked)(choice)
        st.caption(words)
        st.image(
            sheet(pictures, arrays.SHOWN, max(1, SCREEN // max(pictures.shape[2:]))),
            alt=f"{len(pictures)} of the pictures, if it is {words}.",
        )


def _key(field: str, upload: str) -> str:
    return f"data_{field}_{upload}"


def _box(field: str, upload: str, options: Sequence[str], placeholder: str = "Choose") -> None:
    st.selectbox(
        LABELS[field], options, index=None, key=_key(field, upload), persist_state="session", format_func=_words(field),
        placeholder=placeholder, help=HELPS[field],
    )


def _words(field: str) -> Callable[[str], str]:
    return range_in_words if field == "pixels" else layout_in_words


def range_in_words(pixels: str) -> str:
    """LOW..HIGH for people."""
    return pixels.replace("..", " to ")


def layout_in_words(layout: str) -> str:
    """A picture's shape for people; width first, as everywhere on screen."""
    sizes = layout.split("x")
    if len(sizes) == 2:
        return f"{sizes[1]} x {sizes[0]}, grey"
    if sizes[0] == "3":
        return f"{sizes[2]} x {sizes[1]}, all of red, then green, then blue"
    return f"{sizes[1]} x {sizes[0]}, red, green and blue of each pixel together"
