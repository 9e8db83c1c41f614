"""Streamlit's own page, with what a browser would find out step by step already in it.

Left alone, a browser that opens /explore asks /explore/_stcore/health first, for the address might name a folder; it fetches
the code of each widget when the first of its kind is to be drawn; and then, one level after the other, the pad's modules and
what the pad shows. That makes about 110 files, most of them of a few lines, and on a small machine each costs browser and
server some ten milliseconds, whatever its size. So the page names what will be wanted, and the small modules are inside it.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from latentscape.server import streamlit_private
from latentscape.server.streamlit_private import BACKEND, JS
from latentscape.site_map import PAGES, WITH_A_PAD, tab_title

ICON = "data:image/png;base64," + base64.b64encode((Path(__file__).parent / "icon.png").read_bytes()).decode()
PAD = Path(__file__).parents[2] / "latent_pad" / "assets"
BIDI = streamlit_private.component_address("latent_pad.latent_pad")
EVERYWHERE = ("Selectbox", "Html")  # the first widgets of every page, as Streamlit's files are called
BESIDE_A_PAD = ("ButtonGroup", "BidiComponent", "NumberInput")
SERVER = f'<script>window.__streamlit = {{ {BACKEND}: new URL("./", location.href).href }};</script>'
ASSETS = Path(__file__).parent / "assets"
HISTORY, FOCUS = (
    f"<script>\n{(ASSETS / name).read_text(encoding='utf-8')}</script>" for name in ("history.js", "focus.js")
)
TITLES = {address: tab_title(title, address) for title, _, address in PAGES.values()}
UNTITLED = "<title>Streamlit</title>"
SMALL = 10_000  # letters of a module that travels inside the page
PLAIN = " !$&()*+,-./:;=?@[]^_`{|}~'"  # what a data: address and a script element can hold as it is

IMPORTED = re.compile(r'((?:from|import)\s*)"\./([\w.-]+\.js)"')
ELSEWHERE = re.compile(r"\bimport\s*\(|\bimport\.meta\b")  # in a module that must know its own address
LINKED = re.compile(r'<link rel="modulepreload"[^>]* href="([^"]+)">')


def front(address: str, parcels: Sequence[str] = ()) -> str:
    """The page for one of our addresses. parcels: digests of what a pad on it is going to ask for.

    Raises Surprise, or OSError for a module that is not there: then Streamlit's own page is the one to serve.
    """
    html = streamlit_private.index()
    names = (*EVERYWHERE, *BESIDE_A_PAD) if address in WITH_A_PAD else EVERYWHERE
    modules = _with_imports(streamlit_private.STATIC / JS, [streamlit_private.module_of(name) for name in names])
    paths = [f"{JS}{name}" for name in modules]
    links = []
    if address in WITH_A_PAD:
        paths += [f"{BIDI}{name}" for name in _with_imports(PAD, ["pad.js"])]
        links = [f'<link rel="preload" as="fetch" fetchpriority="low" crossorigin href="./parcels/{it}">' for it in parcels]
    links += [f'<link rel="modulepreload" fetchpriority="low" crossorigin href="{it}">' for it in paths if it not in html]
    head = "\n".join([SERVER, HISTORY, FOCUS, *links, "</head>"])
    html = html.replace('href="./favicon.png"', f'href="{ICON}"').replace(UNTITLED, f"<title>{TITLES[address]}</title>")
    html = html.replace("</head>", head, 1)
    return _with_small_modules(html)


def _with_imports(folder: Path, names: list[str]) -> list[str]:
    """The modules, those that they import, those that these import and so on."""
    found: list[str] = []
    while names:
        name, *names = names
        if name not in found:
            found.append(name)
            names += [imported for _, imported in IMPORTED.findall((folder / name).read_text(encoding="utf-8"))]
    return found


def _with_small_modules(html: str) -> str:
    """The page with an import map that has the text of each small module which it links to.

    A module that has no address cannot say "./other.js": there it says "other.js", which the map knows too. A browser without
    import maps asks the server for each, as it would have done.
    """
    inside = {path: text for path in LINKED.findall(html) if (text := _small(path)) is not None}
    imports = {path: _as_address(text) for path, text in inside.items()}
    for path, text in inside.items():
        siblings = {name: f"{path.rsplit('/', 1)[0]}/{name}" for _, name in IMPORTED.findall(text)}
        imports |= {name: imports.get(sibling, sibling) for name, sibling in siblings.items()}
    # Streamlit's loader fetches what no link names: the links stay, and say nothing any more.
    html = LINKED.sub(lambda link: link[0].replace("modulepreload", "inside", 1) if link[1] in inside else link[0], html)
    return html.replace("<head>", f'<head>\n<script type="importmap">{json.dumps({"imports": imports})}</script>', 1)


def _small(path: str) -> str | None:
    """The text of a module that may travel inside the page."""
    folder, name = path.rsplit("/", 1)
    if name == "pad.js":
        return None  # Streamlit asks for a component's own module with a script element, which knows no import map
    text = ((PAD if f"{folder}/" == BIDI else streamlit_private.STATIC / folder) / name).read_text(encoding="utf-8")
    return text if len(text) <= SMALL and not ELSEWHERE.search(text) else None


def _as_address(text: str) -> str:
    return "data:text/javascript," + urllib.parse.quote(IMPORTED.sub(r'\1"\2"', text), safe=PLAIN)
