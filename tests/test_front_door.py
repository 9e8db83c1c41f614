"""The page that a browser gets first: what it names is there, once, and where it is of use."""

import re

import pytest
from conftest import ROOT

from ui import front_door
from ui.site_map import PAGES

HREF = re.compile(r'<link rel="modulepreload" crossorigin href="\./([^"]+)">')
BIDI = "_stcore/bidi-components/latentscape.latent_pad/"
addresses = pytest.mark.parametrize("address", [address for *_, address in PAGES.values()])


def named(address: str) -> list[str]:
    return HREF.findall(front_door.front(address))


@addresses
def test_every_file_that_it_names_is_there_once(address):
    paths = named(address)
    assert len(paths) > 40
    assert len(set(paths)) == len(paths)
    for path in paths:
        pad = path.startswith(BIDI)
        assert (front_door.PAD / path.removeprefix(BIDI) if pad else front_door.STATIC / path).is_file()


@addresses
def test_the_pad_is_named_whole_where_a_page_begins_with_it(address):
    pad = {path.removeprefix(BIDI) for path in named(address) if path.startswith(BIDI)}
    assert pad == ({path.name for path in front_door.PAD.glob("*.js")} - {"hover.js"} if address in ("", "explore") else set())
    assert "latent_pad(" in (ROOT / "pages/home.py").read_text()
    assert "explore_pads.pad(" in (ROOT / "pages/explore.py").read_text()


def test_the_first_widgets_of_a_page_are_named_with_all_that_they_import():
    names = {path.rsplit("/", 1)[1] for path in named("explore")}
    for widget in ("Selectbox", "BidiComponent"):
        (file,) = (front_door.STATIC / "static/js").glob(f"{widget}.*.js")
        assert {file.name, *re.findall(r'from"\./([^"]+)"', file.read_text())} <= names | {
            path.rsplit("/", 1)[1] for path in re.findall(r'src="\./(static/js/[^"]+)"', front_door.front("explore"))
        }


def test_another_page_than_the_one_we_know_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "index.html").write_text("<p>something else</p>")
    monkeypatch.setattr(front_door, "STATIC", tmp_path)
    assert front_door.front.__wrapped__("train") == "<p>something else</p>"


def test_there_is_a_route_for_every_page():
    assert [route.path for route in front_door.routes()] == [f"/{address}" for *_, address in PAGES.values()]
