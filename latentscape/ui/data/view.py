"""What the page of a visitor's own pictures shows: the ways to bring them, the reading, and a report of what was read."""

import io
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.typing import UploadedFile

from latentscape.server.streamlit_private import remove_upload
from latentscape.ui import figures
from latentscape.ui.data import choices as data_choices
from latentscape.ui.own import picture_sets, store
from latentscape.ui.pictures import sheet
from latentscape.ui.presets import choose_pictures
from latentscape.ui.running import jobs
from latentscape.ui.visitor import session, visitor
from latentscape.ui.words import refused
from latentscape.work.analyses import analyses
from latentscape.work.belongings import Pictures, Question, Settings, Upload, reading
from vae_core import archive, array_file, arrays, folder, picture
from vae_core.array_file import is_array_file
from vae_core.arrays import Untold
from vae_core.data import ImageSet
from vae_core.errors import BadInput
from vae_core.folder import Report

MB = 2**20
MAX_FOLDER = 1000  # files: each travels on its own
FITS = {"crop": "Middle square", "letterbox": "All of it"}
FILE, FOLDER = "A file", "A folder"
SHOWN = 72  # pictures of the contact sheet
COLUMNS = 12
MOST_BARS = 40  # classes in the chart
MOST_REASONS = 30  # rows of the table of what was skipped
TELL_SECONDS = 0.2
CLASSES = {False: "The folders in which the pictures differ.", True: "The values of their labels."}
ANY = "any settings"  # a problem that is not one of settings
WHAT_TO_BRING = f"""
Bring a zip file, or a small folder, of **{folder.FORMATS}** pictures of any size, grey or in colour:

- all in one place, or **a folder for each class**; folders called train, val or test are taken for a split;
- a few hundred at least, better some thousands, at most {folder.MAX_PICTURES:,}; things of one kind, seen alike, are learned
  best: icons, faces, flags, leaves;
- each of at most {picture.MAX_FILE // MB} MB and {picture.MAX_PIXELS // 10**6} million pixels, a zip file of at most
  {archive.MAX_ARCHIVE // MB} MB.

Or bring an array of pictures of {arrays.SIDES[0]} to {arrays.SIDES[1]} pixels a side: an `.npz` file with `images` and, if you
like, `labels`; an `.npy` file; or a `.csv` file with a picture a row, as in `label,pixel0,pixel1,...`

They are yours alone: no other visitor sees them, no disk keeps them, and they leave the server with you.
"""


WHAT_TO_LOOK_FOR = (
    "**What to look for:** this is all that a model sees. What you cannot tell apart here, it cannot. Things that are cut off, "
    "or tiny in a wide picture, want another “What of each picture”."
)


def data_view() -> None:
    """Everything below the title."""
    left, right = st.columns([1, 2.6], gap="medium")
    with left:
        _uploader()
        settings = _settings()
        choices = st.container()
    with right:
        try:
            shown = _wanted(settings)
        except BadInput as problem:
            st.session_state["data_problem"] = settings, str(problem)
            shown = None
        _problem(settings)
        if isinstance(shown, Question):
            data_choices.question(shown)
            _remove_button()
        elif shown := shown or next(reversed(picture_sets()), None):
            with choices:
                data_choices.choices(shown)
            _report(shown)
        else:
            st.markdown(WHAT_TO_BRING)


def _problem(settings: Settings) -> None:
    """What went wrong last, until other settings or another file are tried."""
    asked, problem = st.session_state.get("data_problem", (None, ""))
    if asked in (settings, ANY):
        refused("The pictures were not read.", problem)


# Bringing them.


def _settings() -> Settings:
    keep = {"persist_state": "session"}
    last = next(reversed(store().of(visitor(), session(), Upload)), None) or next(reversed(picture_sets()), None)
    is_array = last is not None and is_array_file(last.name)
    size = st.segmented_control(
        "Image size", [32, 64], default=32, format_func=lambda side: f"{side} x {side}", key="data_size", required=True, **keep,
        disabled=is_array, help="Pixels that a model sees of each picture. 64 x 64 takes about four times as long to train. "
        "Pictures in an array keep their size.",
    )
    fit = st.segmented_control(
        "What of each picture", list(FITS), default="crop", format_func=FITS.get, key="data_fit", required=True, wrap=True,
        **keep, disabled=is_array, help="Models want squares: of a longer picture its middle, or the whole, with margins.",
    )
    seed = st.number_input(
        "Seed of the split", 0, 9999, 0, key="data_seed", **keep,
        help="A sixth of the pictures, drawn with this seed, is kept to test on.",
    )
    if last is None:
        return Settings(size, fit, seed)
    said = data_choices.said(last.upload if isinstance(last, Pictures) else last.id)
    if is_array:
        return Settings(seed=seed, pixels=said["pixels"], layout=said["layout"])
    return Settings(size, fit, seed, said["split"] or "seeded", said["level"])


def _uploader() -> None:
    form = st.segmented_control("Bring", [FILE, FOLDER], default=FILE, key="data_form", required=True)
    key = f"data_files_{st.session_state.setdefault('data_uploads', 0)}"
    if form == FILE:
        st.file_uploader(
            "A zip file of pictures, or an array", ["zip", *array_file.SUFFIXES], key=key, on_change=_arrived, args=(key,),
            max_upload_size=archive.MAX_ARCHIVE // MB,
            help="Zip files flat, or with a folder for each class. Arrays as .npz with `images` and perhaps `labels`, as .npy, "
            "or as .csv with a picture a row.",
        )
    else:
        st.file_uploader(
            "A folder of pictures", accept_multiple_files="directory", key=key, max_upload_size=picture.MAX_FILE // MB,
            on_change=_arrived, args=(key,), help=f"At most {MAX_FOLDER:,} files; make a zip file of a larger one.",
        )


def _arrived(key: str) -> None:
    """Take files over from Streamlit, which would keep them until the session ends: a callback. Under another key the
    uploader is empty again."""
    came = st.session_state[key]
    if not came:
        return
    st.session_state["data_uploads"] += 1
    st.session_state.pop("data_problem", None)
    files = came if isinstance(came, list) else [came]
    try:
        name, raw = _zipped(files) if isinstance(came, list) else (came.name, came.getvalue())
        store().add(Upload(owner=visitor(), name=name, raw=raw), session())
    except BadInput as problem:
        st.session_state["data_problem"] = ANY, str(problem)
    for file in files:
        remove_upload(file)


def _zipped(files: list[UploadedFile]) -> tuple[str, bytes]:
    """Name and bytes of an uploaded folder as a zip file that is not compressed."""
    name = (PurePosixPath(files[0].name).parts or ("The folder",))[0]
    if len(files) > MAX_FOLDER:
        raise BadInput(f"{name} holds {len(files):,} files, more than {MAX_FOLDER:,}; make a zip file of it.")
    if sum(file.size for file in files) > archive.MAX_ARCHIVE:
        raise BadInput(f"{name} holds more than {archive.MAX_ARCHIVE // MB} MB, the most that is read; take some out.")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for file in files:
            try:
                made.writestr(file.name, file.getvalue())
            except (ValueError, struct.error) as error:
                raise BadInput(f"{name} has a file whose name cannot be kept; make a zip file of it.") from error
    return name + ".zip" * is_array_file(name), packed.getvalue()  # a folder may be called anything


# Reading them.


def _wanted(settings: Settings) -> Pictures | Question | None:
    """The visitor's last upload, read as the settings ask, or what must be told before; None where there is none, or this was
    tried and failed.

    Raises BadInput where it cannot be read; a file of which nothing could be read is not kept.
    """
    sets, uploads = picture_sets(), store().of(visitor(), session(), Upload)
    if not uploads:
        if sets and sets[-1].settings != settings:
            what = "file" if is_array_file(sets[-1].name) else "zip file"
            st.info(f"The {what} is no longer here; upload it again to read it in another way.")
        return None
    last = uploads[-1]
    of_last = [pictures for pictures in sets if pictures.upload == last.id]
    asked = [question for question in store().of(visitor(), session(), Question) if question.upload == last.id]
    found = next((known for known in [*of_last, *asked] if known.settings == settings), None)
    if found or st.session_state.get("data_problem", (None, ""))[0] == settings:
        return found
    try:
        pictures = _read(last, settings)
    except BadInput:
        if not of_last and not asked:
            store().remove(last)
        raise
    st.session_state.pop("data_problem", None)
    for older in uploads[:-1]:
        store().remove(older)
    return pictures


def _read(upload: Upload, settings: Settings) -> Pictures | Question:
    """Read it here, one visitor's after the other, and keep what was read, or what has to be told. Raises BadInput."""
    place, told = st.empty(), 0.0
    while not reading.acquire(timeout=TELL_SECONDS):
        place.progress(0.0, "Waits for another visitor's pictures")  # a closed tab leaves here

    def each(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            place.progress(done / of, f"{done / of:.0%} is read" if is_array else f"{done:,} of {of:,} files are read")

    is_array = is_array_file(upload.name)
    try:
        found = _read_now(upload, settings, each)
        store().add(found, session())
    finally:
        reading.release()
        place.empty()
    return found


def _read_now(upload: Upload, settings: Settings, each: Callable[[int, int], None]) -> Pictures | Question:
    about = {"owner": upload.owner, "name": upload.name, "upload": upload.id, "settings": settings}
    size, fit, seed, split, level, pixels, layout = settings
    try:
        if is_array_file(upload.name):
            images, report = array_file.read_arrays(upload.raw, upload.name, seed, pixels, layout, each)
        else:
            images, report = folder.read_pictures(upload.raw, size, fit, upload.name, seed, each, split, level)
    except Untold as untold:
        return Question(**about, untold=untold)
    return Pictures(**about, images=images, report=report)


# What was read.


def _report(pictures: Pictures) -> None:
    images, report = pictures.images, pictures.report
    training, test = len(images.train_images), len(images.test_images)
    _, height, width = images.image_shape
    st.text(pictures.name)
    numbers = st.grid(4, min_column_width=112)
    numbers.metric("Pictures", f"{report.read:,}")
    own = report.split == "own"
    drawn = "By their own split." if own else f"Drawn with seed {pictures.settings.seed}."
    numbers.metric("To train on", f"{training:,}", help=drawn)
    numbers.metric("To test on", f"{test:,}", help=f"{drawn if own else 'A sixth.'} The model never trains on them.")
    numbers.metric("Classes", len(images.classes) or "none", help=CLASSES[is_array_file(pictures.name)])
    st.markdown("\n".join(f"- {fact}" for fact in [*report.facts(), _size(pictures)]))
    for sentence in report.names():
        st.text(sentence)  # plain text: names of folders are somebody's words
    if report.asked and pictures.settings.level is None:
        st.info("Some folders look like sizes or numbers: say with “Classes are named by” which of them name classes.")
    for warning in report.warnings():
        st.warning(warning)
    with st.container(horizontal=True):
        if st.button("Train on them", type="primary", icon=":material/model_training:", key="data_train"):
            choose_pictures(pictures)
            st.switch_page("pages/train.py")
        _remove_button()
    left, right = st.columns([1.3, 1], gap="medium") if images.classes else (st.container(), None)
    chosen = _some(images)
    left.caption(WHAT_TO_LOOK_FOR)
    left.image(
        sheet(chosen, COLUMNS, max(1, 64 // height)), width="stretch",
        alt=f"{len(chosen)} of the pictures as a model sees them, {width} x {height} pixels each.",
    )
    if right is not None:
        _balance(right, report)
    _skipped(report)


def _remove_button() -> None:
    st.button(
        "Remove them", icon=":material/delete:", key="data_remove", on_click=_removed,
        help="From the server, at once, with all that was made of them. A training on them ends and goes too.",
    )


def _removed() -> None:
    jobs().forget_pictures(visitor())
    store().drop(visitor(), Upload, Question, Pictures)
    analyses().forget(visitor())


def _size(pictures: Pictures) -> str:
    channels, height, width = pictures.images.image_shape
    now = " now" * (not is_array_file(pictures.name))
    return f"Each is {width} x {height} pixels{now}, {'in colour' if channels == 3 else 'grey'}."


def _some(images: ImageSet) -> np.ndarray:
    """At most SHOWN pictures, of all classes by turns: uint8 (N, C, H, W)."""
    labels = images.train_labels.numpy()
    turn = np.zeros(len(labels), int)
    for label in np.unique(labels):
        turn[labels == label] = np.arange((labels == label).sum())
    chosen = np.lexsort((labels, turn))[:SHOWN]
    return images.train_images[chosen[np.argsort(labels[chosen], kind="stable")]].numpy()


def _balance(place, report: Report) -> None:
    largest = sorted(report.balance.items(), key=lambda item: -item[1])[:MOST_BARS]
    place.plotly_chart(
        figures.class_bars(dict(largest)), key="data_balance", config=figures.PLOT,
        alt=f"Pictures of each class, from {min(report.balance.values())} to {max(report.balance.values())}.",
    )
    if len(report.balance) > MOST_BARS:
        place.caption(f"The largest {MOST_BARS} of {len(report.balance)} classes.")


def _skipped(report: Report) -> None:
    """What was left out and why, a row a reason."""
    if not report.skipped:
        return
    why: dict[str, list[str]] = {}
    for name, reason in report.skipped:
        why.setdefault(reason, []).append(name)
    rows = sorted(why.items(), key=lambda item: -len(item[1]))
    st.markdown("**Skipped files**")
    st.dataframe(
        pd.DataFrame({
            "files": [len(names) for _, names in rows[:MOST_REASONS]], "why": [reason for reason, _ in rows[:MOST_REASONS]],
            "for example": [names[0] for _, names in rows[:MOST_REASONS]],
        }), hide_index=True, width="stretch", key="data_skipped",
    )
    if len(rows) > MOST_REASONS:
        rest = sum(len(names) for _, names in rows[MOST_REASONS:])
        st.caption(f"And {rest:,} more, for {len(rows) - MOST_REASONS} other reasons.")
