"""Plotly for the browser, as its Python package brings it: what ui/live_chart.py draws in place loads it from here."""

import gzip
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from latentscape.once import once

ADDRESS = f"plotly/{version('plotly')}.js"  # below the server's own: another release has another, so browsers may keep it


def answer(request: Request) -> Response:
    """The library, 1.4 MB packed."""
    headers = {"Cache-Control": "public, immutable, max-age=31536000", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_packed(), media_type="text/javascript", headers=headers | {"Content-Encoding": "gzip"})
    return Response(_library(), media_type="text/javascript", headers=headers | {"Content-Encoding": "identity"})


@once
def _packed() -> bytes:
    return gzip.compress(_library(), 6, mtime=0)


def _library() -> bytes:
    (package,) = find_spec("plotly").submodule_search_locations  # importing it takes as long as starting the server
    return (Path(package) / "package_data" / "plotly.min.js").read_bytes()
