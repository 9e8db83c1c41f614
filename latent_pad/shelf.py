"""Where the browser fetches parcels: by HTTP, each under its digest, so that it keeps what it has for the next opening.

An app with pads serves `routes()` beside Streamlit's own: `app = st.App(__file__, routes=routes())`.
"""

import weakref

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from latent_pad.parcel import Parcel

_shelf: weakref.WeakValueDictionary[str, Parcel] = weakref.WeakValueDictionary()


def put(parcel: Parcel) -> None:
    """Serve a parcel from now on, for as long as somebody holds it."""
    _shelf[parcel.digest] = parcel


def routes() -> list[Route]:
    """The address of every parcel. Nobody finds one who does not know its digest, and with it what it holds."""
    return [Route("/parcels/{digest}", answer)]


def answer(request: Request) -> Response:
    """The parcel of this digest: assets/store.js asks for it."""
    parcel = _shelf.get(request.path_params["digest"])
    if parcel is None:
        return Response("There is no such parcel.", 404, {"Cache-Control": "no-store"})
    headers = {
        "Cache-Control": "private, immutable, max-age=31536000",
        "Content-Encoding": "identity",  # else it is packed anew for every visitor, for a tenth of its size
    }
    return Response(parcel.payload, media_type="application/octet-stream", headers=headers)
