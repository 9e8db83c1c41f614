"""The way in: the addresses that the server answers beside Streamlit's own, and what it does before anybody comes."""

import functools
import gzip
import hashlib
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from ui.front_page import front
from ui.site_map import FIRST_MODEL, PAGES

_first_parcels: list[str] = []  # digests of what the pad shows of the first model, as soon as it is packed


def routes() -> list[Route]:
    """The address of each page, and of the parcels. (Under server.baseUrlPath Streamlit's page comes as it is.)"""
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    pages = [] if base else [Route(f"/{address}", _page) for *_, address in PAGES.values()]
    # As in latent_pad/shelf.py, which is not imported yet: it brings torch, and the server is to be up at once.
    return [*pages, Route(f"/{base}/parcels/{{digest}}".replace("//", "/"), _parcel)]


def _page(request: Request) -> Response:
    is_first = request.query_params.get("checkpoint", FIRST_MODEL) == FIRST_MODEL
    html, packed, tag = _packed(request.url.path.strip("/"), tuple(_first_parcels) if is_first else ())
    headers = {"Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="text/html", headers=headers | {"Content-Encoding": "gzip"})
    return Response(html, media_type="text/html", headers=headers)


@functools.lru_cache
def _packed(address: str, parcels: tuple[str, ...]) -> tuple[bytes, bytes, str]:
    """The page, the page packed, its tag."""
    html = front(address, parcels).encode()
    return html, gzip.compress(html, mtime=0), f'"{hashlib.sha256(html).hexdigest()[:16]}"'


def _parcel(request: Request) -> Response:
    from latent_pad.shelf import answer

    return answer(request)


@asynccontextmanager
async def warm(app: object) -> AsyncIterator[None]:
    """While the server runs: what the first visitor would wait for begins before anybody comes."""
    PagesManager.uses_pages_directory = False  # else the first page of a server shows a menu of file names for a while
    threading.Thread(target=_prepare, daemon=True).start()
    yield


def _prepare() -> None:
    """Bring torch, and have the first model open, its test images encoded, and all of it packed for the pad."""
    from ui.explore_data import first_parcels, measure_first

    spinners = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    spinners.disabled = True  # they are warned of where there is no page to turn on
    try:
        _first_parcels[:] = first_parcels()
        measure_first()
    finally:
        spinners.disabled = False
