"""Map's selection, kept by the tab so that another projection shows the same images, and the gallery of what was selected."""

from collections.abc import Sequence
from functools import partial
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st
import torch

from latentscape.ui.codes import Codes, decode
from latentscape.ui.map.named import forget_names, named
from latentscape.ui.map.pairs import pairs
from latentscape.ui.map.words import terms
from vae_core.checkpoint import Checkpoint

PAGE = 36  # pairs on one page


def selection(model: Checkpoint) -> np.ndarray | None:
    """The numbers of the selected test images of this model, or None."""
    chosen = st.session_state.get("map_selected")
    return chosen[1] if chosen and chosen[0] == model.recipe.data.digest else None


def select(model: Checkpoint, numbers: Sequence[int] | np.ndarray) -> None:
    """Select these images; none of them ends the selection."""
    numbers = np.unique(np.asarray(numbers, int))
    _select((model.recipe.data.digest, numbers) if len(numbers) else None)


def select_by_hand(model: Checkpoint, numbers: Sequence[int]) -> None:
    """Select what a lasso or a box was drawn around. Around nothing it changes nothing: the chart, which greys all then, is
    drawn anew as it was."""
    if numbers:
        select(model, numbers)
        forget_names()
    else:
        _select(st.session_state.get("map_selected"))


def deselect() -> None:
    """End the selection."""
    _select(None)
    forget_names()


def gallery(model: Checkpoint, codes: Codes) -> None:
    """The selected images beside their reconstructions, with what they cost."""
    with st.container(key="map_gallery"):
        numbers = selection(model)
        named(codes, partial(select, model), numbers is None)
        if numbers is None:
            st.caption("Nothing is selected.")
            return
        names = {"class": [codes.classes[label] for label in codes.labels[numbers]]} if codes.classes else {}
        own = {name: values[numbers] for name, values in terms(codes).items()}
        sums = {"-ELBO": sum(own.values())} if len(own) > 1 else {}
        table = pd.DataFrame({"image": numbers, **names, **sums, **own})
        row = st.container(horizontal=True, vertical_alignment="bottom")
        left = row.container(width="stretch")
        left.markdown(f"**{len(table):,} image{'s' if len(table) > 1 else ''} selected**")
        whole, parts = ([f"{name} {table[name].mean():.1f}" for name in some] for some in (sums, own))
        left.caption(f"On average {' = '.join([*whole, ' + '.join(parts)])} nats")
        orders = {"As in the test set": None} | {f"Highest {name} first": name for name in (*sums, *own)}
        if st.session_state.get("map_order") not in (None, *orders):
            st.session_state["map_order"] = next(iter(orders))
        order = row.selectbox("Order", list(orders), key="map_order", width=220, persist_state="session")
        row.download_button(
            "CSV", lambda: table.to_csv(index=False).encode(), "selection.csv", "text/csv", on_click="ignore", key="map_csv",
            icon=":material/download:",
        )
        row.button("Clear", key="map_clear", icon=":material/close:", on_click=deselect)
        if orders[order]:
            table = table.sort_values(orders[order], ascending=False)
        pages = -(-len(table) // PAGE)
        if st.session_state.get("map_page", 1) > pages:
            st.session_state["map_page"] = 1
        page = st.pagination(pages, key="map_page") if pages > 1 else 1
        shown = table.iloc[(page - 1) * PAGE : page * PAGE]
        rows = shown["image"].to_numpy()
        title = "{class} · image {image}" if codes.classes else "Image {image}"
        words = [
            (title.format(**row), " · ".join(f"{name} {row[name]:.1f}" for name in own) + " nats")
            for row in shown.to_dict("records")
        ]
        again = decode(model, torch.tensor(codes.mu[rows]))
        links = [f"explore?{urlencode(in_explore(row))}" for row in rows]
        st.html(pairs(codes.images.numpy()[rows], again, words, ("Original", "Reconstruction"), links))


def in_explore(number: int) -> dict[str, str]:
    """The words of Explore's address for this image, with the model that is chosen."""
    return {"checkpoint": st.session_state["checkpoint"], "image": str(number), "section": "image"}


def _select(what: tuple[str, np.ndarray] | None) -> None:
    st.session_state["map_selected"] = what
    st.session_state["map_selections"] = times() + 1


def times() -> int:
    """How often the selection has changed in this tab."""
    return st.session_state.get("map_selections", 0)
