"""The addresses that the server answers itself: pages, and the parcels of the pad."""

import asyncio
import gc
import gzip
from typing import NamedTuple

import numpy as np
import pytest
from starlette.applications import Starlette
from streamlit import config

from latent_pad import pack_points, shelf
from ui import front_door
from ui.site_map import FIRST_MODEL, PAGES


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


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

    asyncio.run(Starlette(routes=front_door.routes())(scope, receive, send))
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
    monkeypatch.setattr(config, "get_option", {"server.baseUrlPath": "lab/one"}.get)
    assert get(f"/lab/one/parcels/{parcel.digest}").status == 200
    assert get("/explore").status == 404
