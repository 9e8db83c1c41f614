"""The page that a browser gets first: what it names is there, once, and where it is of use; what is inside it is what was."""

import json
import re
import urllib.parse

import pytest
from conftest import ROOT

from latentscape.server import front_page, streamlit_private
from latentscape.site_map import GROUPS, PAGES

HREF = re.compile(r'<link rel="(?:modulepreload|inside)"[^>]* href="\./([^"]+)">')
BIDI = front_page.BIDI.removeprefix("./")
addresses = pytest.mark.parametrize("address", [address for *_, address in PAGES.values()])


def named(address: str) -> list[str]:
    return HREF.findall(front_page.front(address))


def source(path: str) -> str:
    pad = path.startswith(BIDI)
    return (front_page.PAD / path.removeprefix(BIDI) if pad else streamlit_private.STATIC / path).read_text()


def imports(html: str) -> dict[str, str]:
    """The import map, and before it no module."""
    before, found = html.split('<script type="importmap">')
    assert 'type="module"' not in before
    assert "modulepreload" not in before
    return json.loads(found.split("</script>")[0])["imports"]


def text_of(address: str) -> str:
    return urllib.parse.unquote(address.removeprefix("data:text/javascript,"))


@addresses
def test_every_file_that_it_names_is_there_once(address):
    paths = named(address)
    assert len(paths) > 40
    assert len(set(paths)) == len(paths)
    assert all(source(path) for path in paths)


@addresses
def test_the_pad_is_named_whole_where_a_page_begins_with_it(address):
    pad = {path.removeprefix(BIDI) for path in named(address) if path.startswith(BIDI)}
    own = {path.name for path in front_page.PAD.glob("*.js")} - {"painter.js", "pixel_desk.js"}  # of the page Pixels
    assert pad == (own if address in ("", "explore") else set())
    assert "latent_pad(" in (ROOT / "pages/home.py").read_text()
    assert "explore_pads.pads(" in (ROOT / "pages/explore.py").read_text()


def test_the_first_widgets_of_a_page_are_named_with_all_that_they_import():
    names = {path.rsplit("/", 1)[1] for path in named("explore")}
    for widget in ("Selectbox", "BidiComponent"):
        (file,) = (streamlit_private.STATIC / "static/js").glob(f"{widget}.*.js")
        assert {file.name, *re.findall(r'from"\./([^"]+)"', file.read_text())} <= names | {
            path.rsplit("/", 1)[1] for path in re.findall(r'src="\./(static/js/[^"]+)"', front_page.front("explore"))
        }


@addresses
def test_a_module_inside_the_page_is_the_file_that_it_stands_for(address):
    html = front_page.front(address)
    inside = {path.removeprefix("./"): target for path, target in imports(html).items() if path.startswith("./")}
    assert len(inside) > 30
    for path, target in inside.items():
        assert re.sub(r'((?:from|import)\s*)"([\w.-]+\.js)"', r'\1"./\2"', text_of(target)) == source(path)
    said = re.findall(r'<link rel="inside"[^>]* href="\./([^"]+)">', html)
    assert sorted(said) == sorted(inside), "no other link has lost its meaning, and none of these is fetched"


@addresses
def test_a_module_inside_the_page_finds_what_it_imports(address):
    html = front_page.front(address)
    known = imports(html)
    by_name = {path.rsplit("/", 1)[1]: target for path, target in known.items() if path.startswith("./")}
    wanted = {name for text in by_name.values() for name in re.findall(r'(?:from|import)\s*"([\w.-]+\.js)"', text_of(text))}
    assert wanted
    for name in wanted:
        target = known[name]
        assert target == by_name.get(name, target), "the same text under both names, so that it runs once"
        assert target.startswith("data:") or source(target.removeprefix("./"))


def test_a_module_that_must_know_where_it_lies_stays_a_file():
    known = imports(front_page.front("explore"))
    inside = {path.rsplit("/", 1)[-1] for path, target in known.items() if target.startswith("data:")}
    for path in [*(streamlit_private.STATIC / "static/js").glob("*.js"), *front_page.PAD.glob("*.js")]:
        if re.search(r"import\.meta|import\(", path.read_text()) or len(path.read_text()) > front_page.SMALL:
            assert path.name not in inside
    assert "store.js" not in inside
    assert "pad.js" not in inside
    assert "tiles.js" in inside


def test_the_parcels_of_a_pad_are_asked_for_at_once_where_there_is_a_pad():
    link = 'as="fetch" fetchpriority="low" crossorigin href="./parcels/abc">'
    assert link in front_page.front("explore", ("abc",))
    assert link not in front_page.front("map", ("abc",))


@addresses
def test_streamlit_is_kept_from_the_history_before_it_comes(address):
    html = front_page.front(address)
    assert html.count(front_page.HISTORY) == 1
    assert front_page.HISTORY.startswith("<script>")  # runs at once; a module, as the loader is, when the page is read
    (loader,) = re.findall(r'<script type="module"[^>]* src="\./([^"]+)"', html)
    text = (streamlit_private.STATIC / loader).read_text()
    for name in ("pushState", "replaceState"):
        assert f"window.history.{name}(" in text, "who writes the address now? see latentscape/server/assets/history.js"


def test_the_side_bar_groups_every_page_once():
    grouped = ["", *(address for addresses in GROUPS.values() for address in addresses)]
    assert grouped == [address for *_, address in PAGES.values()], "in the order in which they are listed"
