"""The way in: the addresses that the server answers beside Streamlit's own, and what it does before anybody comes."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from ui.front_page import front
from ui.site_map import FIRST_MODEL, PAGES

_first_parcels: list = []  # what the pad shows of the first model, as soon as it is packed; held here for good


def routes() -> list[Route]:
    """The address of each page, and of the parcels. (Under server.baseUrlPath Streamlit's page comes as it is.)"""
    base = (config.get_option("server.baseUrlPath") or "").strip("/")
    pages = [] if base else [Route(f"/{address}", _answer) for *_, address in PAGES.values()]
    return [*pages, Route(f"/{base}/parcels/{{digest}}".replace("//", "/"), _parcel)]


async def _answer(request: Request) -> HTMLResponse:
    is_first = request.query_params.get("checkpoint", FIRST_MODEL) == FIRST_MODEL
    digests = tuple(parcel.digest for parcel in _first_parcels if is_first)
    return HTMLResponse(front(request.url.path.strip("/"), digests), headers={"Cache-Control": "no-cache"})


def _parcel(request: Request) -> Response:
    from latent_pad.shelf import answer  # not before: it brings torch, and the server is to be up at once

    return answer(request)


@asynccontextmanager
async def warm(app: object) -> AsyncIterator[None]:
    """While the server runs: what the first visitor would wait for begins before anybody comes."""
    PagesManager.uses_pages_directory = False  # else the first page of a server shows a menu of file names for a while
    threading.Thread(target=_prepare, daemon=True).start()
    yield


def _prepare() -> None:
    """Bring torch, and have the first model open, its test images encoded, and all of it packed for the pad."""
    from ui.explore_data import first_parcels

    _first_parcels[:] = first_parcels()
