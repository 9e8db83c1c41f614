"""Where the browser fetches parcels: by HTTP, each under its digest, beside the page that is being built.

An app with pads serves `routes()` beside Streamlit's own: `app = st.App(__file__, routes=routes())`.
"""

import weakref

import streamlit as st
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from latent_pad.parcel import Parcel

_shelf: weakref.WeakValueDictionary[str, Parcel] = weakref.WeakValueDictionary()
_for_good: dict[str, Parcel] = {}


def put(parcel: Parcel) -> Parcel:
    """Serve a parcel for as long as somebody holds what is returned: this one, or one of the same bytes that is there."""
    return _shelf.setdefault(parcel.digest, parcel)


def keep(parcel: Parcel) -> None:
    """Serve a parcel until the server ends, and let browsers keep it: nothing that is a visitor's own."""
    _for_good[parcel.digest] = put(parcel)


def routes() -> list[Route]:
    """The address of every parcel, below server.baseUrlPath. Nobody finds one who does not know the digest of its bytes."""
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return [Route(f"/{base}/parcels/{{digest}}".replace("//", "/"), answer)]


def answer(request: Request) -> Response:
    """The parcel of this digest: assets/store.js asks for it."""
    digest = request.path_params["digest"]
    parcel = _shelf.get(digest)
    if parcel is None:
        return Response("There is no such parcel.", 404, {"Cache-Control": "no-store"})
    headers = {
        "Cache-Control": "private, immutable, max-age=31536000" if digest in _for_good else "no-store",
        "Content-Encoding": "identity",  # else it is packed anew for every visitor, for a tenth of its size
    }
    return Response(parcel.payload, media_type="application/octet-stream", headers=headers)
