"""What the Train page shows of one run: status, buttons, curves, map, pictures, replay, and what can be taken away."""

import io
import zipfile
from collections.abc import Callable
from functools import partial

import streamlit as st

from latentscape.site_map import PAGES
from latentscape.ui import figures
from latentscape.ui.live_chart import live_chart
from latentscape.ui.picker import ELSEWHERE, called, keep, kept_as
from latentscape.ui.pictures import embedded, sheet
from latentscape.ui.spoken import spoken
from latentscape.ui.train import curves, replay, words
from latentscape.ui.train.beside import beside
from latentscape.ui.train.draws import draws, last_judged, why_no_classes
from latentscape.ui.train.pairs import pairs
from latentscape.ui.visitor import session, visitor
from latentscape.ui.words import duration, in_markdown, refused, turn_in_words
from latentscape.work.jobs import Jobs
from latentscape.work.runs import ACTIVE, DONE, PAUSED, QUEUED, RUNNING, STOPPED, Frame, Run
from vae_core import checkpoint
from vae_core.checkpoint import safe_name
from vae_core.errors import BadInput
from vae_core.family import Family
from vae_core.models import FAMILIES, Config
from vae_core.watch import grids

REFRESH_SECONDS, WAITING_SECONDS = 1.0, 5.0  # between two looks at a run, and at one that waits behind others
ALONE = 600  # pixels of pictures that have no map beside them
SOON = 2  # the place of a run that is looked at as often as one that trains: its turn may come at any moment
MAP_HEIGHT, LOSS_HEIGHT = 480, 240  # pixels, where there is room: ui/assets/page.css
TESTED = "Per test image, at the end of an epoch; a nat is 1.44 bits."
ON_BATCHES = "Per image of the training batches just before this moment; a nat is 1.44 bits."


def run_view(jobs: Jobs, run: Run | None, controls: bool, other: Run | None = None) -> None:
    """Draw the run, and the `other` beside it, anew about once a second while it is active. Without one, say what will be seen.

    Of a run that waits for another turn only what changes is drawn anew: a class that waits is most of a server's work.
    """
    if run is None:
        _buttons(jobs, None)
        with st.container(key="train_status"):
            st.markdown("**Idle** · press Train, and watch it learn here.")
        st.markdown(words.to_see(FAMILIES[st.session_state["train_kind"]]))
        return
    if other is not None:
        active = _is_active(run, other)
        st.fragment(_two, run_every=REFRESH_SECONDS if active else None)(jobs, run, other, controls, active)
        return
    every, learned = drawn_for = _pace(jobs, run)
    live = st.fragment(_live, run_every=every)
    if learned:
        _head(jobs, run, controls, partial(live, jobs, run, drawn_for, partial(_status, jobs, run)))
        st.fragment(_body)(jobs, run)
    else:
        live(jobs, run, drawn_for, partial(_whole, jobs, run, controls))


def _two(jobs: Jobs, run: Run, other: Run, controls: bool, was_active: bool) -> None:
    for each in (run, other):
        jobs.store.seen(each, session())
    if _is_active(run, other) != was_active:
        st.rerun()  # the form and this fragment's clock follow
    _head(jobs, run, controls, partial(_status, jobs, run))
    beside((run, other))


def _is_active(*runs: Run) -> bool:
    return any(run.status in ACTIVE for run in runs)


def _live(jobs: Jobs, run: Run, drawn_for: tuple[float | None, bool], draw: Callable[[], None]) -> None:
    jobs.store.seen(run, session())  # being watched keeps a run alive
    if _pace(jobs, run) != drawn_for:
        st.rerun()  # the form and this fragment's clock follow
    draw()


def _pace(jobs: Jobs, run: Run) -> tuple[float | None, bool]:
    """Seconds between two looks at the run, None where nothing happens to it any more; and whether what it has learned stays
    as it is meanwhile."""
    if run.status not in ACTIVE:
        return None, False
    place = jobs.place(run)
    seconds = WAITING_SECONDS if place and place.position > SOON else REFRESH_SECONDS
    return seconds, run.status == QUEUED and run.live is not None


def _whole(jobs: Jobs, run: Run, controls: bool) -> None:
    _head(jobs, run, controls, partial(_status, jobs, run))
    _body(jobs, run)


def _head(jobs: Jobs, run: Run, controls: bool, status: Callable[[], None]) -> None:
    """A row for what the run does and the buttons, and below it what is trained."""
    with st.container(key="train_head", horizontal=True, vertical_alignment="center"):
        status()
        _handles(jobs, run, controls)
    _trained(run)


def _handles(jobs: Jobs, run: Run, controls: bool) -> None:
    if controls:
        _buttons(jobs, run)
    else:
        st.caption("You are watching somebody's training; this link may only look.")


def _body(jobs: Jobs, run: Run) -> None:
    """What the run has learned so far."""
    with jobs.lock:  # frames are thinned while a page is drawn
        frames, live = list(run.frames), run.live
    if live is None:
        _numbers(run, None)
        return
    above = st.container()
    frame = replay.moment(run, frames, live)
    with above:
        _numbers(run, frame)
    _pictures(run, frame, why_no_classes(_family(run), last_judged(frame, frames) is not None))
    with st.container(key="train_loss"):
        past = None if frame is live else frame.epoch
        make = lambda: curves.loss_curves(  # noqa: E731
            run.curve, run.epochs, run.total_epochs, _family(run), words.minimised(run.request), past, _config(run)
        )
        figure = run.drawings.get("losses", len(run.curve), run.progress, len(run.epochs), past, make=make)
        with st.container(key="train_loss_figure", height=LOSS_HEIGHT, border=False):
            live_chart(figure, key="train_loss_chart", alt=_loss_in_words(run), fills=True)
    draws(run, frame, frames)
    if run.owner != visitor():
        st.caption("The model stays its owner's: only they can keep or download it.")
    elif run.status in (PAUSED, STOPPED, DONE) or (run.weights and run.status not in ACTIVE):
        _take_away(run, frame)


def _status(jobs: Jobs, run: Run) -> None:
    details = []
    status = run.status
    if run.status == QUEUED:
        place = jobs.place(run)
        details.append(turn_in_words(place) if place else "the worker is getting ready")
        if run.live is not None:  # it gave way to others
            status = "Waiting for its turn"
            details.append(f"trained so far: epoch {min(int(run.progress) + 1, run.total_epochs)} of {run.total_epochs}")
    elif run.status == RUNNING:
        details.append(f"epoch {min(int(run.progress) + 1, run.total_epochs)} of {run.total_epochs}")
        if run.rate:
            details += [f"about {duration(run.left)} left", f"{run.rate:,.0f} images a second"]
    else:
        details.append(f"{len(run.epochs)} of {run.total_epochs} epochs")
    if run.wanted:
        details.append("pausing …" if run.wanted == "pause" else "stopping …")
    with st.container(key="train_status"):
        st.markdown(f"**{status}** · " + " · ".join(details))
        if run.reason:
            st.text(run.reason)
    after = f"after {len(run.epochs)} of {run.total_epochs} epochs"
    said = f"The training of {run.request['title']} is {run.status.lower()} {after}. {run.reason or ''}"
    spoken(f"training_{run.view_id}", run.status in (*ACTIVE, PAUSED), said.strip())


def _trained(run: Run) -> None:
    """What is trained, and how far it is."""
    with st.container(key="train_trained", gap="xsmall"):
        st.text(words.settings(run))
        st.progress(min(run.progress / run.total_epochs, 1.0))


def _buttons(jobs: Jobs, run: Run | None) -> None:
    status, wanted = (run.status, run.wanted) if run else ("Idle", "")
    with st.container(key="train_buttons", horizontal=True, width="content"):
        if status == PAUSED:
            st.button("Resume", key="train_pause", icon=":material/play_arrow:", on_click=jobs.resume, args=(run,))
        else:
            st.button(
                "Pause",
                key="train_pause",
                icon=":material/pause:",
                on_click=jobs.pause,
                args=(run,),
                disabled=status not in ACTIVE or bool(wanted),
            )
        st.button(
            "Stop",
            key="train_stop",
            icon=":material/stop:",
            on_click=jobs.stop,
            args=(run,),
            disabled=status not in (*ACTIVE, PAUSED) or wanted == "stop",
        )
        if run is not None:
            _share(run)


def _share(run: Run) -> None:
    """Two links. What each may do, and what neither gives."""
    address = (st.context.url or "").split("?")[0]
    shown = "the curves, the map and the pictures of this page" + ", some of your own among them" * run.is_of_pictures
    with st.popover("Share", icon=":material/share:"):
        st.markdown(f"**To look**: who opens it sees {shown}, and changes nothing. The address of this page is the same link.")
        with st.container(key="train_link_look"):
            st.code(f"{address}?run={run.view_id}", language=None)
        if run.owner == visitor():
            st.markdown("**To control**: who opens it can also pause, step and stop this training.")
            with st.container(key="train_link_control"):
                st.code(f"{address}?run={run.control_id}", language=None)
        st.caption(
            "Neither gives anybody this model, your other models or your pictures. Both work until half an hour after the last "
            "person left."
        )


def _numbers(run: Run, frame: Frame | None) -> None:
    """What is happening at the moment that is shown, and its terms."""
    values, where = terms_at(run, frame)
    with st.container(key="train_words", gap="xsmall"):
        newest = _is_newest(run, frame)
        over = run.epochs if newest else [record for record in run.epochs if record["epoch"] <= frame.epoch]
        progress = run.progress if newest else frame.epoch
        if run.status == STOPPED and not run.epochs and st.session_state.get(replay.SHOWN) is None:
            st.markdown(words.stopped_early(run.progress))
        else:
            st.markdown(words.happening(_family(run), over, progress, newest and run.status == DONE, _config(run)))
        with st.container(key="train_numbers"):
            numbers = words.in_numbers(run.request, values, where == TESTED)
            st.markdown(numbers or "Nothing is measured yet.", help=f"{words.explained(_family(run))}\n\n{where}")


def terms_at(run: Run, frame: Frame | None) -> tuple[dict[str, float], str]:
    """The family's terms as they were at this moment, and where they were measured: on the test set at the end of an epoch, of
    the newest moment at that of the last one; else on the training batches before it. Empty before both."""
    newest = _is_newest(run, frame)
    tested = run.epochs[-1:] if newest else [record for record in run.epochs if record["epoch"] == frame.epoch]
    if tested:
        return {name.removeprefix("test_"): value for name, value in tested[0].items()}, TESTED
    before = [values for position, _, *values in run.curve if newest or position <= frame.epoch]
    return (_family(run).told(before[-1]), ON_BATCHES) if before else ({}, TESTED)


def _is_newest(run: Run, frame: Frame | None) -> bool:
    return frame is None or frame is run.live


def _family(run: Run) -> Family:
    return FAMILIES[run.request["kind"]]


def _config(run: Run) -> Config:
    return _family(run).config(**run.request["model"])


def _pictures(run: Run, frame: Frame, about_draws: str) -> None:
    when = "after " * bool(frame.epoch) + replay.in_words(frame.epoch)
    if not len(frame.points):
        _made(run, frame, when, ALONE, about_draws)
        return
    left, right = st.columns([1.5, 1])
    with left, st.container(key="train_map", gap="xsmall"):
        _map(run, frame, when)
    with right:
        _made(run, frame, when, "stretch", about_draws)


def _made(run: Run, frame: Frame, when: str, width: str | int, about_draws: str) -> None:
    """The pictures that it makes of others, and those that it draws."""
    if len(frame.reconstructions):
        _reconstructions(run, frame, when, width)
    if _family(run).draws:
        _samples(run, frame, when, width, about_draws)


def _map(run: Run, frame: Frame, when: str) -> None:
    st.markdown(f"**Latent map** · {len(frame.points):,} test images, {when}")
    about = [run.about[name] for name in ("labels", "classes", "latent_dim")]
    reach = run.reach
    make = lambda: figures.latent_map(frame.points, *about, frame.explained, reach)  # noqa: E731
    figure = run.drawings.get("map", frame, reach, make=make)
    alt = f"Scatter of {len(frame.points)} encoded test images, coloured and shaped by class, {when}."
    with st.container(key="train_map_figure", height=MAP_HEIGHT, border=False):
        live_chart(figure, key="train_map_chart", alt=alt, fills=True)


def _reconstructions(run: Run, frame: Frame, when: str, width: str | int) -> None:
    damaged = _family(run).has("corruption")
    with st.container(key="train_reconstructions", gap="xsmall"):
        st.markdown("**Damaged test images**, **repaired** below" if damaged else "**Test images**, **reconstructed** below")
        st.image(
            run.drawings.get("reconstructions", frame, make=lambda: embedded(sheet(pairs(run, frame), 5))), width=width,
            alt=f"Ten {'damaged ' if damaged else ''}test images of different classes and their reconstructions {when}.",
        )


def _samples(run: Run, frame: Frame, when: str, width: str | int, about: str) -> None:
    with st.container(key="train_samples", gap="xsmall"):
        st.markdown("**Samples**: the same 21 draws", help=about)
        samples = run.drawings.get("samples", frame, make=lambda: embedded(sheet(frame.samples, 7)))
        st.image(samples, width=width, alt=f"Twenty-one samples from the model {when}: always the same draws.")


def _take_away(run: Run, frame: Frame) -> None:
    """Keep or download the model: as it is now, or as it was at the replayed epoch; and the pictures of all epochs."""
    last = frame.epoch >= len(run.epochs) or frame.weights is None
    weights = run.weights if last else frame.weights
    if weights is None:
        return
    name = safe_name(run.request["title"] + ("" if last else f" epoch {int(frame.epoch)}"))
    kept = kept_as(weights)
    st.divider()
    if last and frame.epoch < len(run.epochs):
        st.caption(f"Of this moment only the pictures are here: what is kept is the model as it stands, {in_markdown(name)}.")
    elif kept is None:
        st.caption(f"What is kept is what is shown: {in_markdown(name)}.")
    with st.container(key="train_take_away", horizontal=True, vertical_alignment="bottom"):
        if kept is None:
            _keep(name, weights, run.request["kind"])
        else:
            _kept(kept, run.request["kind"])
        st.download_button(
            "Download",
            lambda: checkpoint.bundle(name, weights),
            f"{name}.zip",
            "application/zip",
            key="train_download",
            icon=":material/download:",
            on_click="ignore",
            help="Weights, recipe and the command that trains it. Open a file, in the sidebar, takes it as it is.",
        )
        st.download_button(
            "Pictures", lambda: replay_zip(run), f"{safe_name(run.request['title'])}-pictures.zip", "application/zip",
            key="train_pictures", icon=":material/photo_library:", on_click="ignore",
            help="Test images, reconstructions and samples of every epoch, as actual/NN.png, recon/NN.png and samples/NN.png.",
        )
    st.code(run.request["command"], language="shell", wrap_lines=True)


def _keep(name: str, weights: bytes, kind: str) -> None:
    """The button, and the name that it gives: `name` where none is typed."""
    words = st.text_input("Name", key="train_name", placeholder=name, max_chars=60, width=280)
    where = f"Then it can be chosen on {ELSEWHERE[kind]}." if kind in ELSEWHERE else "Adds it to the list in the sidebar."
    if st.button("Keep it", key="train_keep", type="primary", icon=":material/bookmark:", help=where):
        try:
            keep(called(words) if words else name, weights)
        except BadInput as error:
            refused("The model was not kept.", error)
        else:
            st.rerun()


def _kept(kept: str, kind: str) -> None:
    """Where it is, and the way there."""
    st.markdown(f"Kept as {in_markdown(kept.partition('/')[2])}. *Your models*, in the sidebar, renames and deletes it.")
    page = FAMILIES[kind].page
    words = f"Choose it on {page}" if kind in ELSEWHERE else "Explore it"
    if st.button(words, key="train_explore", type="primary", icon=":material/touch_app:"):
        st.session_state[f"{page.lower()}_model_{kind}" if kind in ELSEWHERE else "checkpoint_wanted"] = kept
        st.switch_page(next(path for path, (title, *_) in PAGES.items() if title == page))


def replay_zip(run: Run) -> bytes:
    """A zip with the pictures of every epoch that is kept, as the command line writes them; 00 is before the training."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for frame in [frame for frame in run.frames if frame.epoch == int(frame.epoch)]:
            for name, picture in grids(int(frame.epoch), run.about["originals"], frame.reconstructions, frame.samples).items():
                archive.writestr(name, picture)
    return packed.getvalue()


def _loss_in_words(run: Run) -> str:
    if not run.epochs:
        return "Training losses; no epoch is finished yet."
    first, last, term = run.epochs[0], run.epochs[-1], _family(run).terms[0]
    return (
        f"Losses{f' in {term.unit}' * bool(term.unit)} per image: the test loss went from {first['test_loss']:.{term.digits}f} "
        f"after the first epoch to {last['test_loss']:.{term.digits}f} after epoch {last['epoch']}."
    )
