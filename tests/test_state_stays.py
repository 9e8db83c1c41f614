"""What was chosen on a page is as it was after another page was looked at."""

import pytest
from test_pages import open_app

pytestmark = pytest.mark.usefixtures("no_cluster")
CHOSEN = {  # page -> what is asked for by its address, and the state that stands for it
    "explore": [
        ({"checkpoint": "mnist-2d", "section": "traversals"}, {"explore_section": "traversals"}),
        ({"checkpoint": "mnist-2d", "image": "7", "show": "codes"}, {"explore_image": 7, "explore_layers": "codes"}),
        ({"checkpoint": "mnist-2d", "section": "walk", "walk": "3-2-spherical"},
         {"explore_section": "walk", "explore_from": 3, "explore_to": 2}),
    ],
    "autoencoders": [
        ({"section": "merged-digits", "one": "3", "two": "8"},
         {"ae_section": "Merged digits", "ae_one": 3, "ae_two": 8}),
        ({"first": "40", "dropped": "true"}, {"ae_first": 40, "ae_spoiled": True}),
        ({"section": "vector-field", "curve": "spiral", "rate": "0.3"}, {"ae_section": "Vector field", "ae_curve": "spiral"}),
    ],
    "restore": [
        ({"picture": "photo", "tile": "3", "damage": "block", "amount": "12", "curve": "stroke"},
         {"restore_source": "Photo", "restore_tile": 3, "restore_damage": "block", "restore_amount_block": 12,
          "restore_curve_kind": "stroke"}),
        ({"image": "7", "seed": "5", "damage": "dropout", "amount": "0.9"},
         {"restore_image": 7, "restore_seed": 5, "restore_amount_dropout": 0.9}),
    ],
    "train": [
        ({"preset": "textbook", "kind": "vae", "latent": "5", "beta": "4", "seed": "9"},
         {"train_preset": "Textbook", "train_latent_dim": 5, "train_beta": 4.0, "train_seed": 9}),
    ],
}


@pytest.mark.parametrize(
    ("page", "asked", "state"), [(page, *each) for page, cases in CHOSEN.items() for each in cases],
)
def test_a_page_that_was_left_is_as_it_was(jobs, page, asked, state):
    at = open_app(page, **asked)
    now = {key: at.session_state[key] for key in state}
    assert now == state
    at.query_params.clear()
    at.switch_page("pages/data.py").run()
    at.query_params.clear()
    at.switch_page(f"pages/{page}.py").run()
    assert not at.exception
    assert {key: at.session_state[key] for key in state if key in at.session_state} == state
