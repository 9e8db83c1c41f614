"""What the Sweep page shows: the rate-distortion curve, the figures as a table, the maps beside each other, the pictures."""

import pandas as pd
import streamlit as st

from latentscape.ui import figures
from latentscape.ui.live_chart import live_chart
from latentscape.ui.picker import choices, keep, opened
from latentscape.ui.pictures import embedded, sheet
from latentscape.ui.spoken import spoken
from latentscape.ui.sweep.entries import Entry, entry_of_model, entry_of_run
from latentscape.ui.visitor import session, visitor
from latentscape.ui.words import refused, turn_in_words
from latentscape.work.jobs import Jobs
from latentscape.work.runs import ACTIVE, DONE, PAUSED, QUEUED, STOPPED, Run
from vae_core.checkpoint import safe_name
from vae_core.errors import BadInput
from vae_core.models import FAMILIES

REFRESH_SECONDS = 1.0
PAIR = ["shapes-conv-beta1", "shapes-conv"]  # what is shown before anything is trained
MOST_MODELS = 6
WITH_BETA = tuple(name for name, family in FAMILIES.items() if family.has("beta"))
WHAT_TO_LOOK_FOR = (
    "a small β lies to the right, with sharp reconstructions and poor draws; a large one to the left, blurred, and at KL 0 the "
    "code says nothing."
)
HOW_TO_READ = """
**What the words mean.** The loss is *recon + β · KL*. The **KL** is the *rate*: nats that the code tells about an image. The
**reconstruction** is the *distortion*: nats still missing. A small β leaves a space full of holes between the codes; a large
one packs the codes into the prior; where the code says nothing, that is posterior collapse. Where the factors behind the
pictures are known, the **mutual information gap** (MIG) says how far each has a dimension of its own; a β above 1 can raise it.
"""


def beside_at_first() -> list[str]:
    """The models that are shown by default: the shipped pair, while nothing is trained."""
    return [] if st.session_state.get("sweep") else [name for name in PAIR if name in choices(WITH_BETA)]


def compared() -> list[str]:
    """Draw the choice of models that are there already; their names."""
    available = choices(WITH_BETA)
    if "sweep_models" not in st.session_state:
        st.session_state["sweep_models"] = beside_at_first()
    st.session_state["sweep_models"] = [name for name in st.session_state["sweep_models"] if name in available]
    return st.multiselect(
        "Beside models that are here", list(available), key="sweep_models", max_selections=MOST_MODELS, persist_state="session",
        format_func=lambda name: available[name].label, help="Shipped models, those you kept, and files you opened.",
    )


def sweep_view(jobs: Jobs, tokens: list[str], models: list[str]) -> None:
    """Draw the comparison, once a second while a training is under way."""
    active = any(run.status in ACTIVE for run, _ in _runs(jobs, tokens))
    st.fragment(_live, run_every=REFRESH_SECONDS if active else None)(jobs, tokens, models, active)
    st.markdown(HOW_TO_READ)


def _runs(jobs: Jobs, tokens: list[str]) -> list[tuple[Run, bool]]:
    found = [jobs.store.find(token, visitor(), session()) for token in tokens]  # being watched keeps a run alive
    return [(run, controls) for run, controls in found if run is not None]


def _live(jobs: Jobs, tokens: list[str], models: list[str], was_active: bool) -> None:
    found = _runs(jobs, tokens)
    if any(run.status in ACTIVE for run, _ in found) != was_active:
        st.rerun()  # the form and this fragment's clock follow
    entries = [entry_of_run(run) for run, _ in found]
    with st.container(key="sweep_status"):
        st.markdown(_status(jobs, [run for run, _ in found]))
        if found:
            st.progress(min(1.0, sum(run.progress for run, _ in found) / sum(run.total_epochs for run, _ in found)))
            active = any(run.status in (*ACTIVE, PAUSED) for run, _ in found)
            worst = _worst([run for run, _ in found]).lower()
            spoken(f"sweep_{found[0][0].view_id}", active, f"The sweep of {len(found)} trainings is over: {worst}.")
    if found and all(controls for _, controls in found):
        _buttons(jobs, [run for run, _ in found])
    for name in models:
        try:
            entries.append(entry_of_model(opened(name, WITH_BETA)))
        except BadInput as error:
            st.text(str(error))
    if not entries:
        return
    with st.container(key="sweep_curve"):
        st.markdown(f"**Rate against distortion** · {WHAT_TO_LOOK_FOR}")
        lines: dict[str, list] = {}
        for entry in entries:
            if entry.rate is not None:
                point = f"β = {entry.beta:g}", entry.rate, entry.distortion
                lines.setdefault(f"{entry.data}, {entry.loss}", []).append(point)
        if not lines:
            st.caption("A model appears here when its first epoch is over.")
        else:
            live_chart(figures.rate_distortion(lines), key="sweep_chart", alt=_curve_in_words(entries))
    with st.container(key="sweep_scores"):  # below the curve: beside it there is no room for its columns
        st.markdown("**Nats per test image**")
        st.dataframe(_table(entries), hide_index=True, width="stretch")
        st.caption(
            "Losses of different names, and of different data, do not compare. Units: dimensions that carry information. MIG: "
            "mutual information gap, where the factors are known."
        )
    _maps(entries)
    _pictures(entries)


def _status(jobs: Jobs, runs: list[Run]) -> str:
    if not runs:
        return "**Idle** · press *Train them all*, or choose models that are here."
    active = [run for run in runs if run.status in ACTIVE]
    ended = f"{len(runs) - len(active)} of {len(runs)} trainings over"
    if not active:
        return f"**{_worst(runs)}** · {ended}"
    places = [place for run in active if (place := jobs.place(run)) is not None]
    waits = places and all(run.status == QUEUED for run in active)
    return f"**Running** · {ended}" + (f" · {turn_in_words(min(places))}" if waits else "")


def _worst(runs: list[Run]) -> str:
    return DONE if all(run.status == DONE for run in runs) else next(run.status for run in runs if run.status != DONE)


def _buttons(jobs: Jobs, runs: list[Run]) -> None:
    active = [run for run in runs if run.status in (*ACTIVE, PAUSED)]
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Stop them", key="sweep_stop", disabled=not active, icon=":material/stop:"):
            for run in active:
                jobs.stop(run)
            st.rerun()
        ready = [run for run in runs if run.status in (DONE, STOPPED) and run.weights]
        if st.button("Keep them", key="sweep_keep", disabled=bool(active) or not ready, icon=":material/bookmark:",
                     help="Adds the models to the list in the sidebar."):
            try:
                names = {keep(safe_name(run.request["title"]), run.weights) for run in ready}
            except BadInput as error:
                refused("They were not kept.", error)
            else:
                st.session_state["sweep_kept"] = names
                st.rerun()
        if names := st.session_state.pop("sweep_kept", None):
            st.success(f"Kept {len(names)} models: they are in the list in the sidebar.")


def _table(entries: list[Entry]) -> pd.DataFrame:
    rows = [
        {
            "model": entry.label, "MIG": entry.gap, "KL": entry.rate, "recon": entry.distortion,
            "-ELBO": None if entry.rate is None else entry.rate + entry.distortion, "loss": entry.loss,
            "units": entry.active, "status": entry.status,
        }
        for entry in entries
    ]
    table = pd.DataFrame(rows).round({"KL": 2, "recon": 2, "-ELBO": 2, "MIG": 3})
    return table.dropna(axis="columns", how="all")


def _maps(entries: list[Entry]) -> None:
    """One picture for each data set: only the same classes compare."""
    for number, data in enumerate(dict.fromkeys(entry.data for entry in entries if entry.points is not None)):
        own = [entry for entry in entries if entry.data == data and entry.points is not None]
        with st.container(key=f"sweep_maps_{safe_name(data)}"):
            st.markdown("**Maps of the test images, to one scale** · the plane itself, or two principal components of mu")
            figure = figures.maps_beside(
                [(e.label, e.points, e.labels) for e in own], list(own[0].classes), 2 if len(own) in (2, 4) else 3,
                by_webgl=number == 0,
            )
            live_chart(
                figure, key=f"sweep_map_{data}",
                alt=f"{len(own)} scatter plots of encoded {data} test images: {', '.join(e.label for e in own)}.",
            )


def _pictures(entries: list[Entry]) -> None:
    shown = [entry for entry in entries if entry.reconstructions is not None]
    if not shown:
        return
    st.markdown("**Test images, what each model makes of them, and draws from its prior**")
    with st.container(key="sweep_pictures"):
        before = None
        for entry in shown:
            if entry.data != before:
                _row("Test images", entry.originals, f"Ten test images of {entry.data}.")
                before = entry.data
            _row(entry.label, entry.reconstructions, f"Their reconstructions by {entry.label}.")
            _row("its draws", entry.samples, f"Draws from the prior, decoded by {entry.label}.")


def _row(name: str, images, alt: str) -> None:
    left, right = st.columns([1, 6], vertical_alignment="center")
    left.text(name)
    right.image(embedded(sheet(images, len(images), 2)), width=700, alt=alt)


def _curve_in_words(entries: list[Entry]) -> str:
    told = [f"{e.label}: KL {e.rate:.1f}, recon {e.distortion:.1f} nats" for e in entries if e.rate is not None]
    return "Rate against distortion. " + "; ".join(told)
