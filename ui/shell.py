"""What every page has around it: the frame that streamlit_app.py draws, and a few lines of CSS."""

from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

ICON = Path(__file__).parent / "icon.png"  # a file: Streamlit would fetch a named icon from the internet
CSS = """
<style>
.stMainBlockContainer { padding: 2.5rem clamp(1rem, 3vw, 3rem) 3rem; }
[data-testid="stImage"] img { image-rendering: pixelated; border-radius: 6px; }
[data-testid="stMetricValue"] { font-size: 1.45rem; font-variant-numeric: tabular-nums; }
.st-key-train_status p { font-variant-numeric: tabular-nums; }
@media (prefers-reduced-motion: reduce) { *, *::before, *::after { animation: none !important; transition: none !important; } }
</style>
"""


def page_style() -> None:
    """Once a page, before anything is drawn."""
    st.html(CSS)


def inside_app() -> None:
    """The first line of every page. Until st.navigation has run once in a server, Streamlit takes a deep link for one of its
    old-style pages and runs the page alone, without streamlit_app.py around it: then start over the right way."""
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        st.rerun()
