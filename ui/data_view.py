"""What the page of a visitor's own pictures shows: the ways to bring them, the reading, and a report of what was read."""

import io
import struct
import time
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.typing import UploadedFile

from ui import figures
from ui.analyses import analyses
from ui.jobs import jobs
from ui.own import Pictures, Settings, Upload, mine, reading, store
from ui.pictures import sheet
from ui.streamlit_private import remove_upload
from ui.train_form import choose_pictures
from ui.visitor import session, visitor
from ui.words import refused
from vae_core import archive, folder, picture
from vae_core.data import ImageSet
from vae_core.errors import BadInput
from vae_core.folder import Report

MB = 2**20
MAX_FOLDER = 1000  # files: each travels on its own
FITS = {"crop": "Middle square", "letterbox": "All of it"}
ZIP, FOLDER = "A zip file", "A folder"
SHOWN = 72  # pictures of the contact sheet
COLUMNS = 12
MOST_BARS = 40  # classes in the chart
MOST_REASONS = 30  # rows of the table of what was skipped
TELL_SECONDS = 0.2
ANY = "any settings"  # a problem that is not one of settings
WHAT_TO_BRING = f"""
Bring a zip file, or a small folder, of **{folder.FORMATS}** pictures of any size, grey or in colour:

- all in one place, or **a folder for each class**; folders called train, val or test are taken for a split;
- a few hundred at least, better some thousands, at most {folder.MAX_PICTURES:,}; things of one kind, seen alike, are learned
  best: icons, faces, flags, leaves;
- each of at most {picture.MAX_FILE // MB} MB and {picture.MAX_PIXELS // 10**6} million pixels, a zip file of at most
  {archive.MAX_ARCHIVE // MB} MB.

They are yours alone: no other visitor sees them, no disk keeps them, and they leave the server with you.
"""


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
        if shown := shown or next(reversed(mine()), None):
            with choices:
                _choices(shown)
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
    size = st.segmented_control(
        "Image size", [32, 64], default=32, format_func=lambda side: f"{side} x {side}", key="data_size", required=True, **keep,
        help="Pixels that a model sees of each picture. 64 x 64 takes about four times as long to train.",
    )  # fmt: skip
    fit = st.segmented_control(
        "What of each picture", list(FITS), default="crop", format_func=FITS.get, key="data_fit", required=True, wrap=True,
        **keep, help="Models want squares: of a longer picture its middle, or the whole, with margins.",
    )  # fmt: skip
    seed = st.number_input(
        "Seed of the split", 0, 9999, 0, key="data_seed", **keep,
        help="A sixth of the pictures, drawn with this seed, is kept to test on.",
    )  # fmt: skip
    last = next(reversed(store().of(visitor(), session(), Upload)), None) or next(reversed(mine()), None)
    if last is None:
        return Settings(size, fit, seed)
    split, level = _keys(last.upload if isinstance(last, Pictures) else last.id)
    return Settings(size, fit, seed, st.session_state.get(split, "seeded"), st.session_state.get(level))


def _choices(pictures: Pictures) -> None:
    """What the folders leave open, in boxes whose options are shown as they are, whatever they are called."""
    report, (split, level) = pictures.report, _keys(pictures.upload)
    if len(report.levels) > 1 or report.asked:
        titles = {0: "no folders: no classes"}
        for at, one in enumerate(report.levels, 1):
            titles[at] = ", ".join([*one.examples, *["..."] * (one.folders > len(one.examples))])
        st.selectbox(
            "Classes are named by", [None, *(at for at in titles if at != report.usual)], key=level, persist_state="session",
            format_func=lambda at: titles[report.usual if at is None else at],
            help="The levels at which the folders differ. What looks like sizes or numbers seldom names classes.",
        )  # fmt: skip
    if report.own_split:
        folders = ", ".join(archive.short(name) for name in report.own_split)
        st.selectbox(
            "Split", folder.SPLITS, key=split, persist_state="session",
            format_func=lambda kind: f"their own: {folders}" if kind == "own" else "a sixth, drawn with the seed",
            help="Their own keeps what lies in their folder for tests to test on, and trains on the rest.",
        )  # fmt: skip


def _keys(upload: str) -> tuple[str, str]:
    """Of the boxes for split and level: another upload starts anew."""
    return f"data_split_{upload}", f"data_level_{upload}"


def _uploader() -> None:
    form = st.segmented_control("Bring", [ZIP, FOLDER], default=ZIP, key="data_form", required=True)
    key = f"data_files_{st.session_state.setdefault('data_uploads', 0)}"
    if form == ZIP:
        st.file_uploader(
            "A zip file of pictures", ["zip"], key=key, max_upload_size=archive.MAX_ARCHIVE // MB, on_change=_arrived,
            args=(key,), help="Flat, or with a folder for each class.",
        )  # fmt: skip
    else:
        st.file_uploader(
            "A folder of pictures", accept_multiple_files="directory", key=key, max_upload_size=picture.MAX_FILE // MB,
            on_change=_arrived, args=(key,), help=f"At most {MAX_FOLDER:,} files; make a zip file of a larger one.",
        )  # fmt: skip


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
    return name, packed.getvalue()


# Reading them.


def _wanted(settings: Settings) -> Pictures | None:
    """The visitor's last upload, read as the settings ask; None where there is none, or this was tried and failed.

    Raises BadInput where it cannot be read; a file of which nothing could be read is not kept.
    """
    sets, uploads = mine(), store().of(visitor(), session(), Upload)
    if not uploads:
        if sets and sets[-1].settings != settings:
            st.info("The zip file is no longer here; upload it again to read it in another way.")
        return None
    last = uploads[-1]
    of_last = [pictures for pictures in sets if pictures.upload == last.id]
    found = next((pictures for pictures in of_last if pictures.settings == settings), None)
    if found or st.session_state.get("data_problem", (None, ""))[0] == settings:
        return found
    try:
        pictures = _read(last, settings)
    except BadInput:
        if not of_last:
            store().remove(last)
        raise
    st.session_state.pop("data_problem", None)
    for older in uploads[:-1]:
        store().remove(older)
    return pictures


def _read(upload: Upload, settings: Settings) -> Pictures:
    """Read it here, one visitor's after the other, and keep what was read. Raises BadInput."""
    place, told = st.empty(), 0.0
    while not reading.acquire(timeout=TELL_SECONDS):
        place.progress(0.0, "Waits for another visitor's pictures")  # a closed tab leaves here

    def each(done: int, of: int) -> None:
        nonlocal told
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            place.progress(done / of, f"{done:,} of {of:,} files are read")

    try:
        images, report = folder.read_pictures(
            upload.raw, settings.size, settings.fit, upload.name, settings.seed, each, settings.split, settings.level
        )
        pictures = Pictures(
            owner=upload.owner, name=upload.name, upload=upload.id, settings=settings, images=images, report=report
        )
        store().add(pictures, session())
    finally:
        reading.release()
        place.empty()
    return pictures


# What was read.


def _report(pictures: Pictures) -> None:
    images, report = pictures.images, pictures.report
    training, test = len(images.train_images), len(images.test_images)
    _, height, width = images.image_shape
    st.text(pictures.name)
    numbers = st.columns(4)
    numbers[0].metric("Pictures", f"{report.read:,}")
    own = report.split == "own"
    drawn = "By their own split." if own else f"Drawn with seed {pictures.settings.seed}."
    numbers[1].metric("To train on", f"{training:,}", help=drawn)
    numbers[2].metric("To test on", f"{test:,}", help=f"{drawn if own else 'A sixth.'} The model never trains on them.")
    numbers[3].metric("Classes", len(images.classes) or "none", help="The folders in which the pictures differ.")
    st.markdown("\n".join(f"- {fact}" for fact in [*report.facts(), _size(images)]))
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
        st.button(
            "Remove them", icon=":material/delete:", key="data_remove", on_click=_removed,
            help="From the server, at once, with all that was made of them. A training on them ends and goes too.",
        )  # fmt: skip
    left, right = st.columns([1.3, 1], gap="medium") if images.classes else (st.container(), None)
    chosen = _some(images)
    left.image(
        sheet(chosen, COLUMNS, max(1, 64 // height)), width="stretch",
        alt=f"{len(chosen)} of the pictures as a model sees them, {width} x {height} pixels each.",
    )  # fmt: skip
    if right is not None:
        _balance(right, report)
    _skipped(report)


def _removed() -> None:
    jobs().forget_pictures(visitor())
    store().drop(visitor(), Upload, Pictures)
    analyses().forget(visitor())


def _size(images: ImageSet) -> str:
    channels, height, width = images.image_shape
    return f"Each is {width} x {height} pixels now, {'in colour' if channels == 3 else 'grey'}."


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
        figures.class_bars(dict(largest)), key="data_balance", config={"displaylogo": False},
        alt=f"Pictures of each class, from {min(report.balance.values())} to {max(report.balance.values())}.",
    )  # fmt: skip
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
    )  # fmt: skip
    if len(rows) > MOST_REASONS:
        rest = sum(len(names) for _, names in rows[MOST_REASONS:])
        st.caption(f"And {rest:,} more, for {len(rows) - MOST_REASONS} other reasons.")
