"""Two visitors and every page: what is one's own reaches nobody else, whatever address they come with."""

import re

import pytest
from test_data_page import pets
from test_pages import finished_run, open_app

from latentscape.site_map import PAGES
from latentscape.ui.own import store
from latentscape.work.belongings import Model, Pictures, Settings
from vae_core.folder import read_pictures

HERS = "zebra"  # in every name of what is hers
ADDRESSES = (
    {},
    {"checkpoint": f"own/{HERS}"},
    {"checkpoint": f"own/{HERS}", "section": "two", "beside": f"own/{HERS}", "image": "3", "data": HERS},
)
ASKED = re.compile(r'\\"asked\\": \{.*?\}')  # the words that the visitor's own address came with, in what a page sends


@pytest.fixture
def hers(jobs, weights):
    """What somebody called "her" has: pictures, a model of her own, and a training of her pictures that is over."""
    images, report = read_pictures(pets(), 8, name=f"{HERS}.zip")
    settings = Settings(size=8)
    pictures = Pictures(owner="her", name=f"{HERS}.zip", upload="", settings=settings, images=images, report=report)
    store().add(pictures, "her tab")
    store().add(Model(owner="her", name=HERS, weights=weights), "her tab")
    run = finished_run(weights)
    run.owner, run.request["title"], run.is_of_pictures = "her", f"{HERS} mlp 2-D", True
    jobs.store.add(run)
    return run


def everything(element) -> str:
    """All that a page sends, as text; but for the words of the address that it answers."""
    children = getattr(element, "children", {}).values()
    return ASKED.sub("", repr(getattr(element, "proto", ""))) + "".join(map(everything, children))


@pytest.mark.parametrize("page", [path.removeprefix("pages/").removesuffix(".py") for path in PAGES])
def test_no_page_shows_another_what_is_hers_and_herself_she_finds_it(hers, page):
    at = open_app(page, visitor="her")
    assert HERS in everything(at._tree)
    for address in ADDRESSES:
        at = open_app(page, visitor="him")
        for name, value in address.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        assert HERS not in everything(at._tree)


@pytest.mark.parametrize("token", ["view_id", "control_id"])
def test_a_link_to_her_run_gives_him_neither_her_model_nor_her_pictures(hers, token):
    at = open_app("train", visitor="him")
    at.query_params["run"] = getattr(hers, token)
    at.run()
    assert not at.exception
    assert {"train_keep", "train_download", "train_pictures"}.isdisjoint(button.key for button in at.button)
    assert f"{HERS}.zip" not in everything(at._tree)
    for page in ("data", "map"):
        at.switch_page(f"pages/{page}.py").run()
        assert HERS not in everything(at._tree)
