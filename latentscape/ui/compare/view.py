"""What both sections of Compare begin with: the data set, and how draws are made."""

import streamlit as st

from latentscape.ui.address import remember
from latentscape.ui.compare.rows import COUNT, SEED, SOURCE, title_of
from latentscape.ui.controls import KEEP, control
from latentscape.ui.picker import opened
from vae_core.models import FAMILIES


def choose(sets: dict[str, list[str]]) -> str:
    """Draw the controls; the digest of the data set that is chosen, of those that `rows.data_sets` found."""
    remember("compare_data", next(iter(sets)), sets.__contains__)
    titles = {digest: _title(names) for digest, names in sets.items()}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        digest = st.selectbox("Data set", list(sets), key="compare_data", format_func=titles.get, width=260, **KEEP)
        for key, each in (("compare_count", COUNT), ("compare_seed", SEED), ("compare_source", SOURCE)):
            control(st, each, key, width=180)
    return digest


def _title(names: list[str]) -> str:
    """What the data set of these models is called, and how many of them there are."""
    title = title_of(opened(names[0], tuple(FAMILIES)).recipe.data.name)
    return f"{title} · {len(names)} model{'s' if len(names) > 1 else ''}"
