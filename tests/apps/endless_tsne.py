"""The real app with a t-SNE that cannot end by itself: looked at on a busy machine it is under way all the same."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from latentscape.ui.map import projection
from streamlit_app import app as app

projection.ITERATIONS = 1_000_000
