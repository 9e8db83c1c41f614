"""The way in: Streamlit's own page, told at once what it would find out step by step, from a server that is warm.

Left alone, a browser that opens /explore asks /explore/_stcore/health first, for the address might name a folder; it fetches
the code of each widget when the first of its kind is to be drawn; and then, one level after the other, the pad's modules.
"""

import functools
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from streamlit.runtime.pages_manager import PagesManager

from ui.site_map import PAGES, WITH_A_PAD

STATIC = Path(streamlit.__file__).parent / "static"
PAD = Path(__file__).parent.parent / "latent_pad" / "assets"
EVERYWHERE = ("Selectbox", "Html")  # the first widgets of every page, as Streamlit's files are called
BESIDE_A_PAD = ("ButtonGroup", "BidiComponent")
SERVER = '<script>window.__streamlit = { BACKEND_BASE_URL: new URL("./", location.href).href };</script>'
IMPORTED = re.compile(r'(?:from|import)\s*"\./([\w.-]+\.js)"')


def routes() -> list[Route]:
    """The address of each page. (Under server.baseUrlPath there is none of them: then Streamlit's page comes as it is.)"""

    async def answer(request: Request) -> HTMLResponse:
        return HTMLResponse(front(request.url.path.strip("/")), headers={"Cache-Control": "no-cache"})

    return [Route(f"/{address}", answer) for *_, address in PAGES.values()]


@functools.cache
def front(address: str) -> str:
    """Streamlit's page for one of our addresses, with the server's address and the first files in its head."""
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    names = (*EVERYWHERE, *BESIDE_A_PAD) if address in WITH_A_PAD else EVERYWHERE
    widgets = [path.name for name in names for path in (STATIC / "static" / "js").glob(f"{name}.*.js")]
    paths = [f"./static/js/{name}" for name in _with_imports(STATIC / "static" / "js", widgets)]
    if address in WITH_A_PAD:
        paths += [f"./_stcore/bidi-components/latentscape.latent_pad/{name}" for name in _with_imports(PAD, ["pad.js"])]
    links = [f'<link rel="modulepreload" crossorigin href="{path}">' for path in paths if path not in html]
    return html.replace("</head>", "\n".join([SERVER, *links, "</head>"]), 1)


def _with_imports(folder: Path, names: list[str]) -> list[str]:
    """The modules, those that they import, those that these import and so on."""
    found: list[str] = []
    while names:
        name, *names = names
        if name not in found:
            found.append(name)
            names += IMPORTED.findall((folder / name).read_text(encoding="utf-8"))
    return found


@asynccontextmanager
async def warm(app: object) -> AsyncIterator[None]:
    """While the server runs: what the first visitor would wait for begins before anybody comes."""
    PagesManager.uses_pages_directory = False  # else the first page of a server shows a menu of file names for a while
    threading.Thread(target=_import, daemon=True).start()
    yield


def _import() -> None:
    import ui.explore_data  # noqa: F401  brings torch and scikit-learn
