"""Models: the table, the wall of draws, and where draws lie among real images."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
import streamlit as st

from latentscape.ui.compare.figures import draws_among
from latentscape.ui.compare.rows import DRAWING, REAL, Asked, Chosen, Row, asked_for, rows
from latentscape.ui.computed import REFRESH_SECONDS, Request, computed
from latentscape.ui.figures import PLOT
from latentscape.ui.picker import choices
from latentscape.ui.pictures import sheet
from latentscape.ui.visitor import visitor
from latentscape.ui.words import refused
from latentscape.work import analysis_worker
from latentscape.work.analyses import FAILED, Analysis, analyses
from vae_core.checkpoint import safe_name
from vae_core.compare import SAMPLES
from vae_core.errors import BadInput
from vae_core.projection import ITERATIONS

ACROSS = 10  # pictures in a row of the wall
PERPLEXITY = 30
RUNNING = "compare_running"  # in the session's state: the keys that are to be measured, those that were asked for
LOOK = (
    "**Read a row against the first**: so far are real images from real ones, and no model can be better than that. A low "
    "**Frechet** distance needs both: draws that look real (**precision**) and all that is real being drawn (**recall**, "
    "**coverage**). What each column is, and whether more is better, its head says."
)
COLUMNS = {  # title -> format, help
    "Frechet": ("%.1f", "Lower is better. Frechet distance between draws and test images, on 64 features of our classifier: "
                        "it does not compare with distances on other features."),
    "Precision": ("%.2f", "Higher is better. Share of draws that lie among real images: do they look real?"),
    "Recall": ("%.2f", "Higher is better. Share of real images that lie among draws: is everything drawn?"),
    "Density": ("%.2f", "Higher is better, and may be above 1. In how many neighbourhoods of real images a draw lies."),
    "Coverage": ("%.2f", "Higher is better. Share of real images with a draw in their neighbourhood."),
    "Classes": ("%d", "More is better. Classes that our classifier finds among the draws, each with at least a tenth of an "
                      "even share."),
    "ms a draw": ("%.2f", "Lower is faster. Milliseconds on this server when it was measured, one core, many at once."),
    "Nats": ("%.2f", "Lower is better. -log p(x) of a test image with pixels drawn black or white: exact."),
    f"Nats ≤ (k = {SAMPLES})": ("%.2f", f"Lower is better. At most so many nats, by {SAMPLES} codes an image, importance-"
                                        "weighted; pixels drawn black or white. As the model's recipe has it."),
    "Nats ≤ (k = 1)": ("%.2f", "Lower is better. At most so many nats: -ELBO, by one code an image; pixels drawn black or "
                               "white. The same model has fewer with more codes: compare within a column."),
}


def section(of: Chosen, names: list[str]) -> None:
    """What is measured, row by row, as it is measured."""
    asked, found = asked_for(of), rows(of, _chosen(names))
    if of.images is not None and of.judge is None:
        st.info(
            "There is no judge of this data set, whose features draws would be measured by: distances, precision and classes "
            "stay empty. Likelihoods, pictures and their time are here all the same."
        )
    st.markdown(LOOK)
    if _active(asked, found):
        _go_on(asked, found)
    active = _active(asked, found)
    st.fragment(_draw, run_every=REFRESH_SECONDS if active else None)(asked, found, active)


def _chosen(names: list[str]) -> list[str]:
    """Those that are compared, at first all."""
    labels = {name: choice.label for name, choice in choices(DRAWING).items()}
    key = f"compare_models_{hashlib.sha256(repr(names).encode()).hexdigest()[:8]}"  # where others are offered, it is another
    return st.multiselect(
        "Models", names, names, key=key, format_func=labels.get, placeholder="none", persist_state="session",
        help="Shipped models, those you kept, and files you opened: all that draw pictures of this set.",
    )


def _active(asked: Asked, found: Iterable[Row]) -> bool:
    """Whether something is being measured, or is about to be."""
    wanted = st.session_state.get(RUNNING)
    if wanted is not None and any(asked.key(row) in wanted for row in found):
        return True
    st.session_state[RUNNING] = None
    return False


def _draw(asked: Asked, found: list[Row], was_active: bool) -> None:
    if was_active:
        _go_on(asked, found)
    if _active(asked, found) != was_active:
        st.rerun()
    known = {row: asked.find(row) for row in found}
    _progress(asked, known, was_active)
    table = table_of(known)
    st.container(key="compare_table").dataframe(
        table, width="stretch", hide_index=True, placeholder="",
        column_config={"Model": st.column_config.TextColumn(pinned=True)} | {
            title: st.column_config.NumberColumn(format=form, help=about) for title, (form, about) in COLUMNS.items()
        },
    )
    for row, analysis in known.items():
        if reason := problem(row, analysis):
            st.text(f"{row.label}: {reason}")
    with st.container(horizontal=True):
        st.download_button(
            "CSV", lambda: table.to_csv(index=False).encode(), f"compare-{safe_name(asked.of.title)}.csv", "text/csv",
            on_click="ignore", key="compare_csv", icon=":material/download:",
        )
    results = {row: analysis.result for row, analysis in known.items() if analysis is not None and analysis.result}
    _wall(results, asked)
    if not was_active:
        _among(asked, results)


def _go_on(asked: Asked, found: list[Row]) -> None:
    """One row after the other: whoever else asks has a turn between two of them."""
    wanted: list[tuple] = st.session_state[RUNNING]
    for row in found:
        if asked.key(row) not in wanted:
            continue
        analysis = asked.find(row)
        if analysis is not None and analysis.active:
            return
        if analysis is not None and (analysis.result or analysis.id in st.session_state["compare_tried"]):
            wanted.remove(asked.key(row))
            continue
        try:
            st.session_state["compare_tried"].add(asked.ask(row).id)
        except BadInput as error:
            st.session_state[RUNNING] = None
            st.session_state["compare_refused"] = str(error)
        return
    st.session_state[RUNNING] = None


def _progress(asked: Asked, known: dict[Row, Analysis | None], active: bool) -> None:
    if reason := st.session_state.pop("compare_refused", None):
        refused("It is not measured now.", reason)
    missing = [row for row, analysis in known.items() if not row.problem and (analysis is None or not analysis.result)]
    if not active:
        if missing:
            st.button(
                f"Measure {len(missing)} row{'s' if len(missing) > 1 else ''}", key="compare_start", type="primary",
                icon=":material/play_arrow:", on_click=_start, args=([asked.key(row) for row in missing],),
            )
        return
    now = next(((row, each) for row, each in known.items() if each is not None and each.active), None)
    done = sum(analysis is not None and bool(analysis.result) for analysis in known.values())
    bar = st.container(horizontal=True, vertical_alignment="center")
    share, words = 0.0, "The analysis process is getting ready"
    if now is not None and now[1].told:
        share, words = now[1].told["share"], f"{done + 1} of {len(known)}: {now[1].told['doing']}"
    elif now is not None and (ahead := analyses().ahead(now[1])):
        words = f"Waits for {ahead} other{'s' if ahead > 1 else ''}"
    bar.progress(min(1.0, (done + share) / len(known)), words)
    bar.button("Stop", key="compare_stop", on_click=_stop, args=(now and now[1],))


def _start(keys: list[tuple]) -> None:
    st.session_state[RUNNING] = keys
    st.session_state["compare_tried"] = set()


def _stop(analysis: Analysis | None) -> None:
    st.session_state[RUNNING] = None
    if analysis is not None:
        analyses().stop(analysis, visitor())


def problem(row: Row, analysis: Analysis | None) -> str:
    """Why a row has no figures, in a sentence; empty where it has, or where nobody has asked yet."""
    return row.problem or (analysis.reason if analysis is not None and analysis.status == FAILED else "")


def table_of(known: dict[Row, Analysis | None]) -> pd.DataFrame:
    """A row a model. Columns that no row has anything in are left out, but for those of what is measured."""
    lines = []
    for row, analysis in known.items():
        figures = (analysis.result["figures"] if analysis is not None and analysis.result else {}) or {}
        model, nats = row.model, row.nats
        lines.append({
            "Model": row.label, "Frechet": figures.get("frechet"), "Precision": figures.get("precision"),
            "Recall": figures.get("recall"), "Density": figures.get("density"), "Coverage": figures.get("coverage"),
            "Classes": figures.get("found"), "ms a draw": figures.get("milliseconds"), "Nats": nats.exact,
            f"Nats ≤ (k = {SAMPLES})": nats.bound, "Nats ≤ (k = 1)": nats.elbo, "Likelihood": nats.said,
            "Kind": "" if model is None else model.family.title,
            "Parameters": None if model is None else sum(part.numel() for part in model.model.parameters()),
            "Note": problem(row, analysis),
        })
    table = pd.DataFrame(lines)
    table[list(COLUMNS)] = table[list(COLUMNS)].astype(float)
    table["Parameters"] = table["Parameters"].astype("Int64")
    empty = [title for title in (*(name for name in COLUMNS if "Nats" in name), "Note")
             if table[title].isna().all() or (table[title] == "").all()]
    return table.drop(columns=empty)


def _wall(results: dict[Row, dict], asked: Asked) -> None:
    with st.container(key="compare_draws"):
        if not results:
            return
        st.header("Draws")
        codes = "" if asked.source == "randn" else " Codes are from rand: none of their numbers is negative."
        st.caption(f"The first draws of each, seed {asked.seed}, in the order of the rows; none was chosen.{codes}")
        beside = st.grid(2, min_column_width=300, gap="medium")
        for row, result in results.items():
            with beside.cell():
                st.text(row.label)
                pictures = result["pictures"]
                st.image(sheet(pictures, ACROSS, 3), width="stretch", alt=f"{len(pictures)} pictures: {row.label}.")


def _among(asked: Asked, results: dict[Row, dict]) -> None:
    parts = {row.label: (asked.key(row), result["features"]) for row, result in results.items()
             if result["features"] is not None}
    if REAL not in parts or len(parts) < 2:
        return
    st.header("Among real images")
    features = np.concatenate([each for _, each in parts.values()])
    ends = np.cumsum([len(each) for _, each in parts.values()])[:-1]
    request = Request(
        "compare_tsne", "Lay them out by t-SNE",
        f"The features of {len(next(iter(parts.values()))[1])} draws of each model among as many of real images: some seconds.",
        analysis_worker.tsne, (features, None, ITERATIONS, PERPLEXITY, 0), tuple(key for key, _ in parts.values()),
    )

    def draw(found: dict) -> None:
        points = dict(zip(parts, np.split(found["points"], ends), strict=True))
        st.plotly_chart(
            draws_among(points), key="compare_among", config=PLOT,
            alt=f"t-SNE of the features of real images and of draws of {len(points) - 1} models.",
        )
        st.caption(
            "Near points look alike to our classifier. A model that draws well is strewn over all of the grey; a clump of one "
            "colour is what only it draws, and grey alone is what nobody does."
        )

    with st.container(key="compare_tsne_chart"):
        computed(request, lambda told: (told["iteration"] / told["iterations"],
                                        f"iteration {told['iteration']} of {told['iterations']}"), draw)
