"""Map's address: the model, the picture of its codes, what colours the points, and whether the prior's samples are among them.

    /map?checkpoint=mnist-20d&picture=axes-7-12&colour=kl
    /map?checkpoint=mnist-2d&picture=tsne-30-0&samples=prior
"""

import streamlit as st

from latentscape.ui.address import Word, of_choice, unknown, whole_numbers
from latentscape.ui.codes import Codes
from latentscape.ui.map.projection import AXES, MOST_SEEDS, PCA, TSNE, Choice
from latentscape.ui.map.words import shades
from latentscape.ui.picker import MODEL

PICTURES = {"axes": AXES, "components": PCA, "tsne": TSNE}
NUMBERS = {"axes": ("map_first", "map_second"), "components": (), "tsne": ("map_perplexity", "map_seed")}  # kind -> widgets


def words(codes: Codes) -> list[Word]:
    colours, latent_dim = shades(codes), codes.mu.shape[1]
    samples = [] if codes.kl is None else [of_choice("samples", "map_prior", {"prior": True}, False)]
    return [
        MODEL,
        Word("picture", lambda: _say_picture(latent_dim), lambda word: _mean_picture(word, latent_dim)),
        of_choice("colour", "map_colour", colours, next(iter(colours.values()))),
        *samples,
    ]


def _say_picture(latent_dim: int) -> str:
    choice: Choice = st.session_state["map_choice"]
    kind = next(word for word, name in PICTURES.items() if name == choice.method)
    if kind == "axes" and latent_dim <= 2:
        return kind
    first = 1 if kind == "axes" else 0  # axes are counted from 1, as on the page
    return "-".join([kind, *(str(number + first) for number in choice.parameters)])


def _mean_picture(word: str, latent_dim: int) -> None:
    kind, *numbers = (word or ("components" if latent_dim > 2 else "axes")).split("-")
    first, most = (1, latent_dim) if kind == "axes" else (0, MOST_SEEDS - 1)
    found = whole_numbers(numbers, first, most, len(NUMBERS.get(kind, ())))
    if kind not in PICTURES or (numbers and not found):
        raise unknown("picture")
    st.session_state["map_method"] = PICTURES[kind]
    for key, number in zip(NUMBERS[kind], found or (), strict=bool(found)):
        st.session_state[key] = number - first
