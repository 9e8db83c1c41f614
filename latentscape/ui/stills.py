"""A chart that changes hardly vanishes: on every page its last drawing stands in its place until the next one is ready."""

from latentscape.ui.component import component

_component = component("stills", "stills.js")


def stills() -> None:
    """Without a face: it looks after all charts of the page (see assets/stills.js)."""
    _component(key="stills")
