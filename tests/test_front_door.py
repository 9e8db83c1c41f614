"""The addresses that the server answers itself: pages, and the parcels of the pad."""

import asyncio
import gc
import gzip
from typing import NamedTuple

import numpy as np
import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from latent_pad import pack_points, shelf
from latentscape.server import front_door, plotly_js, streamlit_private
from latentscape.server.front_page import IMPORTED
from latentscape.site_map import FIRST_MODEL, PAGES


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


STREAMLITS = [Route("/explore", lambda _: Response("Streamlit's own")), Route("/train", lambda _: Response("Streamlit's own"))]


def get(address: str, **asked: str) -> Answer:
    """What a browser gets from the routes that asks with these headers."""
    path, _, query = address.partition("?")
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in asked.items()]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": headers, "root_path": ""}
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(Starlette(routes=[*front_door.routes(), *STREAMLITS])(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.fixture
def parcel():
    return shelf.put(pack_points(np.zeros((3, 2))).parcel)


def test_there_is_a_route_for_every_page():
    assert {f"/{address}" for *_, address in PAGES.values()} < {route.path for route in front_door.routes()}


def test_a_parcel_is_served_whole_and_kept_by_nobody_else(parcel):
    answer = get(f"/parcels/{parcel.digest}")
    assert answer.status == 200
    assert answer.body == parcel.payload
    assert answer.headers["cache-control"] == "no-store", "it may be made of a visitor's own pictures"


def test_only_what_is_everybodys_may_be_kept_by_browsers():
    found = pack_points(np.full((3, 2), 7.0)).parcel
    shelf.keep(found)
    assert "immutable" in get(f"/parcels/{found.digest}").headers["cache-control"]


def test_plotly_comes_from_here_and_is_kept_by_browsers():
    plain, packed = get(f"/{plotly_js.ADDRESS}"), get(f"/{plotly_js.ADDRESS}", accept_encoding="gzip, br")
    assert plain.body.startswith(b"/**\n* plotly.js v")
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 3
    assert all("immutable" in answer.headers["cache-control"] for answer in (plain, packed))
    assert get("/plotly/0.js").status == 404


def test_a_parcel_that_nobody_holds_any_more_is_gone():
    found = shelf.put(pack_points(np.ones((3, 2))).parcel)
    address = f"/parcels/{found.digest}"
    again = shelf.put(pack_points(np.ones((3, 2))).parcel)
    assert again is found
    del again
    gc.collect()
    assert get(address).status == 200, "it is still held"
    del found
    gc.collect()
    assert get(address).status == 404
    assert get("/parcels/nothing").headers["cache-control"] == "no-store"


def test_a_page_asks_for_the_first_models_parcels_unless_its_link_names_another(parcel, monkeypatch):
    monkeypatch.setattr(front_door, "_first_parcels", [parcel.digest])
    link = f"./parcels/{parcel.digest}".encode()
    assert link in get("/explore").body
    assert link in get(f"/explore?checkpoint={FIRST_MODEL}").body
    assert link not in get("/explore?checkpoint=mnist-20d").body


def test_a_page_is_sent_once_and_packed():
    plain, packed = get("/train"), get("/train", accept_encoding="gzip, br")
    assert gzip.decompress(packed.body) == plain.body
    again = get("/train", if_none_match=plain.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert get("/train", if_none_match='"of yesterday"').status == 200


def test_below_a_base_path_the_parcels_are_there_too(monkeypatch, parcel):
    monkeypatch.setattr(st, "get_option", {"server.baseUrlPath": "lab/one"}.get)
    assert get(f"/lab/one/parcels/{parcel.digest}").status == 200
    assert get("/explore").body == b"Streamlit's own"


@pytest.fixture
def another(monkeypatch, tmp_path):
    """Streamlit's static files, to be changed."""
    files = tmp_path / "static" / "js"
    files.mkdir(parents=True)
    (tmp_path / "index.html").write_bytes((streamlit_private.STATIC / "index.html").read_bytes())
    for path in (streamlit_private.STATIC / streamlit_private.JS).iterdir():
        (files / path.name).symlink_to(path)
    monkeypatch.setattr(streamlit_private, "STATIC", tmp_path)
    for known in (front_door._packed, front_door._tell):
        known.cache_clear()
    yield tmp_path
    for known in (front_door._packed, front_door._tell):
        known.cache_clear()


def in_index(before: str, after: str):
    def change(static) -> None:
        path = static / "index.html"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    return change


def in_modules(pattern: str, before: str = "", after: str = ""):
    """The modules that hold `before` go, or `after` stands there instead."""

    def change(static) -> None:
        found = [path for path in (static / "static" / "js").glob(pattern) if before in path.read_text()]
        assert found
        for path in found:
            text = path.read_text()
            path.unlink()
            if before:
                path.write_text(text.replace(before, after))

    return change


def imported_by_widgets(static) -> None:
    text = next((static / "static" / "js").glob("BidiComponent.*.js")).read_text()
    (static / "static" / "js" / IMPORTED.search(text)[2]).unlink()


SURPRISES = {
    "no index": lambda static: (static / "index.html").unlink(),
    "another index": lambda static: (static / "index.html").write_text("<p>something else</p>"),
    "no text": lambda static: (static / "index.html").write_bytes(b"\xff\xfe\x00"),
    "an attribute of head": in_index("<head>", "<head lang=en>"),
    "two heads": in_index("</head>", "</head><!-- </head> -->"),
    "another icon": in_index("favicon.png", "favicon.svg"),
    "another folder": in_index("./static/js/", "./assets/"),
    "an import map of its own": in_index("<title>", '<script type="importmap">{}</script><title>'),
    "two loaders": in_index("<title>", '<script type="module" crossorigin src="./static/js/x.js"></script><title>'),
    "modules that are not named": in_index('<link rel="modulepreload"', '<link rel="prefetch"'),
    "another way to name the server": in_modules("index.*.js", "BACKEND_BASE_URL", "BACKEND"),
    "another address of components": in_modules("index.*.js", "bidi-components", "components-v3"),
    "a loader that is gone": in_modules("index.*.js"),
    "a widget that is gone": in_modules("Selectbox.*.js"),
    "a widget twice": lambda static: (static / "static" / "js" / "Html.again.js").write_text(""),
    "an import that is gone": imported_by_widgets,
}


@pytest.mark.parametrize("surprise", SURPRISES.values(), ids=SURPRISES)
def test_on_any_surprise_streamlits_own_page_is_served_and_one_line_logged(another, caplog, surprise):
    surprise(another)
    for address in ("/explore", "/train", "/explore?checkpoint=mnist-20d"):
        assert (get(address).status, get(address).body) == (200, b"Streamlit's own")
    (record,) = [record for record in caplog.records if record.name == front_door.__name__]
    assert "Streamlit has changed" in record.message


def test_streamlit_as_it_is_surprises_nobody(another, caplog):
    assert b'<script type="importmap">' in get("/explore").body
    assert not caplog.records


def test_a_surprise_with_the_parcels_leaves_the_page(another, monkeypatch):
    known = get("/explore").body
    monkeypatch.setattr(front_door, "_first_parcels", ["abc"])
    (another / "index.html").unlink()
    assert get("/explore").body == known
