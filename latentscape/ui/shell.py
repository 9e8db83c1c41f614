"""What every page has around it: the frame that streamlit_app.py draws, and a few lines of CSS."""

import os
from pathlib import Path

import streamlit as st
import torch

from latentscape.server import streamlit_private
from latentscape.server.front_page import ICON
from latentscape.site_map import GROUPS, NEED_AN_ENCODER, PAGES, tab_title
from latentscape.ui import address
from latentscape.ui.own import store
from latentscape.ui.own_models import own_models
from latentscape.ui.picker import ENCODERS, EXPLORED, checkpoint_picker
from latentscape.ui.stills import stills
from latentscape.ui.visitor import has_outlived_a_server, visitor

if os.name != "nt":  # on Windows trainings run in this process too
    # A page's networks are small: a second thread gains them little, and on a busy machine waits for a core at every layer.
    # With two trainings beside it on two cores Restore's latent search takes 0.11 s instead of 1.7 to 3.8.
    torch.set_num_threads(1)
RESTARTED = (
    "The server was started anew. Trainings, and pictures and models that only its memory held, are gone; what was "
    "kept on disk is not."
)
STYLE = Path(__file__).parent / "assets" / "page.css"  # what makes all pages fit: room, contrast, forced colours
CSS = """
<style>
.stMainBlockContainer { padding: 4rem clamp(1rem, 3vw, 3rem) 3rem; }
[data-testid="stImage"] img { image-rendering: pixelated; border-radius: 6px; }
.st-key-model_about [data-testid="stText"] { font-size: .875rem; opacity: .7; }
.st-key-explore_class [data-testid="stText"] { font-size: 1.45rem; }
[data-testid="stMetricValue"] { font-size: 1.45rem; font-variant-numeric: tabular-nums; }
@media (max-height: 60rem) and (min-width: 64rem) {  /* a projector, a laptop: the title stands beside the header's buttons */
  .stMainBlockContainer h1 { padding: 0 0 .4rem; font-size: 1.7rem; }
  .stApp:has([data-testid="stSidebar"][data-collapsed="false"]) {
    .stMainBlockContainer { padding-top: 1rem; }
    [data-testid="stHeader"] { background: none; }
    [data-testid="stHeader"], [data-testid="stHeader"] :not(button, a, button *, a *) { pointer-events: none; }
    .copy-link { background: var(--st-background-color); }
  }
}
.st-key-explore_stage { flex-flow: row wrap; align-items: flex-start; }
.st-key-explore_stage > :has(> .st-key-explore_hand) { flex: 0 0 auto; width: auto; max-width: 100%; }
.st-key-explore_stage > :has(> .st-key-explore_pads) { flex: 1 1 0; width: auto; min-width: min(100%, 26rem); }
.st-key-explore_stage:has(.st-key-explore_beside_pad) { flex-flow: column nowrap; align-items: stretch; }  /* two pads */
.st-key-explore_stage:has(.st-key-explore_beside_pad) > :has(> .st-key-explore_hand) { order: 1; }
@media (max-width: 52rem) {
  .st-key-explore_seen { flex-direction: row; }
  .st-key-explore_seen img { width: 84px !important; }
}
.st-key-restore_methods { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: 1rem 0.75rem; }
.st-key-restore_methods > * { max-width: 16rem; }
@media (max-width: 40rem) { :has(> .st-key-home_words) { order: 1; } }
.st-key-stills { display: none; }  /* it has no face */
.st-key-address_entry { position: fixed; top: .8rem; right: 8.5rem; width: auto; z-index: 999991; }  /* on Streamlit's header */
.copy-link { font: inherit; font-size: .8rem; padding: .15rem .6rem; border: 1px solid var(--st-border-color, #8886);
  border-radius: 6px; background: none; color: inherit; opacity: .75; cursor: pointer; }
.copy-link:hover, .copy-link:focus-visible { opacity: 1; border-color: var(--st-primary-color, currentColor); }
.st-key-train_status p { font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) { *, *::before, *::after { animation: none !important; transition: none !important; } }
</style>
"""


def frame() -> streamlit_private.StreamlitPage:
    """Draw what stands around every page (tab title, navigation, style, models in the sidebar) and return the page to run."""
    st.set_page_config(page_icon=ICON, layout="wide")  # first: navigation would fetch the icon of the page from elsewhere
    pages = {
        address: st.Page(path, title=title, icon=icon, url_path=address, default=not address)
        for path, (title, icon, address) in PAGES.items()
    }
    grouped = {group: [pages[address] for address in addresses] for group, addresses in GROUPS.items()}
    page = st.navigation({"": [pages[""]], **grouped})
    st.set_page_config(page_title=tab_title(page.title, page.url_path))
    st.html(CSS)
    st.html(STYLE)
    address.enter(page.url_path)
    checkpoint_picker(ENCODERS if page.url_path in NEED_AN_ENCODER else EXPLORED)
    own_models()
    stills()
    with st.container():  # always there: where it comes and goes, what is below it is drawn anew
        _say_what_a_restart_lost()
        for sentence in store().notices(visitor()):
            st.toast("Something of yours had to go.", icon=":material/memory:", duration="infinite")
            st.text(sentence)  # plain text: names in it are somebody's words
    st.session_state["framed"] = True
    return page


def _say_what_a_restart_lost() -> None:
    """Until it was read: a page that is back may draw itself several times at once, and a word in passing would be lost."""
    if has_outlived_a_server() and not st.session_state.get("shell_restart_read"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(RESTARTED, icon=":material/restart_alt:")
            st.button("OK", key="shell_restart", on_click=st.session_state.update, kwargs={"shell_restart_read": True})


def begin(title: str) -> None:
    """What every page does first: its title, within the frame.

    Where st.navigation has not run yet, Streamlit may take a deep link for one of its old-style pages and run the page's file
    alone: then start over, the right way. (Our own server says at its start that it has none: server/front_door.py. A test
    harness that forgets the navigation between two runs gets the frame drawn here instead: starting over would lose the press
    that it simulates.)
    """
    if streamlit_private.has_old_pages():
        if "framed" not in st.session_state:
            streamlit_private.no_old_pages()
            st.rerun()
        frame()
    st.title(title)
