"""The way in: the addresses that the server answers beside Streamlit's own, and what it does before anybody comes."""

import functools
import gzip
import hashlib
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from latentscape.server import plotly_js, streamlit_private
from latentscape.server.front_page import front
from latentscape.site_map import FIRST_MODEL, PAGES

log = logging.getLogger(__name__)
_first_parcels: list[str] = []  # digests of what the pad shows of the first model, as soon as it is packed


def routes() -> list[Route]:
    """The address of each page, of the parcels, and of Plotly. (Under server.baseUrlPath Streamlit's page comes as it is.)"""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    pages = [] if base else [_PageRoute(f"/{address}", _page) for *_, address in PAGES.values()]
    # As in latent_pad/shelf.py, which is not imported yet: it brings torch, and the server is to be up at once.
    below = f"/{base}/".replace("//", "/")
    return [*pages, Route(f"{below}parcels/{{digest}}", _parcel), Route(f"{below}{plotly_js.ADDRESS}", plotly_js.answer)]


class _PageRoute(Route):
    """A page of ours; passed on to Streamlit, which has one for every address, where it cannot be made."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, more = super().matches(scope)
        return (match, more) if match != Match.FULL or _packed(self.path.strip("/"), ()) else (Match.NONE, {})


def _page(request: Request) -> Response:
    address = request.url.path.strip("/")
    is_first = request.query_params.get("checkpoint", FIRST_MODEL) == FIRST_MODEL
    html, packed, tag = (is_first and _packed(address, tuple(_first_parcels))) or _packed(address, ())
    headers = {"Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type="text/html", headers=headers | {"Content-Encoding": "gzip"})
    return Response(html, media_type="text/html", headers=headers)


@functools.lru_cache
def _packed(address: str, parcels: tuple[str, ...]) -> tuple[bytes, bytes, str] | None:
    """The page, the page packed, its tag; None where it cannot be made of Streamlit's."""
    try:
        html = front(address, parcels).encode()
    except Exception as problem:  # whatever it is, a page that opens a second later is better than none
        _tell(str(problem))
        return None
    return html, gzip.compress(html, mtime=0), f'"{hashlib.sha256(html).hexdigest()[:16]}"'


@functools.cache
def _tell(problem: str) -> None:
    """Once, not for every page and visitor."""
    log.warning("Streamlit's own first page is served, which opens more slowly, for Streamlit has changed: %s", problem)


def _parcel(request: Request) -> Response:
    from latent_pad.shelf import answer

    return answer(request)


@asynccontextmanager
async def warm(app: object) -> AsyncIterator[None]:
    """While the server runs: what the first visitor would wait for begins before anybody comes."""
    streamlit_private.no_old_pages()  # else the first page of a server shows a menu of file names for a while
    threading.Thread(target=_prepare, daemon=True).start()
    yield


def _prepare() -> None:
    """Bring torch, and have the first model open, its test images encoded, and all of it packed for the pad.

    The first optimizer of a process brings torch's compiler, for which every page would wait some seconds later on.
    """
    import torch

    from latentscape.ui.first_model import first_parcels, measure_first

    with streamlit_private.quiet_spinners():
        _first_parcels[:] = first_parcels()
        measure_first()
    torch.optim.Adam([torch.zeros(1)])
