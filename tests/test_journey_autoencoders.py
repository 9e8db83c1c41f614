"""Autoencoders in a real Chromium: kernels are drawn; the merge slider changes answers, energies and the marked point."""

import pytest

pytestmark = pytest.mark.browser


def test_kernels_are_drawn_and_the_merge_slider_changes_the_energies(page, server):
    page.goto(f"{server.url}/autoencoders")
    page.wait_for_function(
        "() => { const drawn = [...document.querySelectorAll('.st-key-ae_kernels img')];"
        " return drawn.length === 6 && drawn.every(image => image.naturalWidth > 200) }",
    )
    page.get_by_role("tab", name="Merged digits").click()
    page.wait_for_selector(".st-key-ae_energy .js-plotly-plot")
    sentence = page.locator(".st-key-ae_energy [data-testid=stText]").first
    before, answers = sentence.inner_text(), page.locator(".st-key-ae_merge").inner_text()
    assert "This merged picture" in before
    page.locator(".st-key-ae_share").get_by_role("slider").press("ArrowRight")
    page.wait_for_function(
        "([sentence, answers]) => document.querySelector('.st-key-ae_energy [data-testid=stText]').innerText !== sentence"
        " && document.querySelector('.st-key-ae_merge').innerText !== answers",
        arg=[before, answers],
    )


def test_on_a_telephone_nothing_is_cut_off(page, server):
    """The link to Train was, and the pictures of draws would be."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{server.url}/autoencoders?section=ae-against-vae")
    page.wait_for_function(
        "() => { const drawn = [...document.querySelectorAll('.st-key-ae_latent img')];"
        " return drawn.length === 3 && drawn.every(image => image.naturalWidth > 200) }",
    )
    link = page.get_by_test_id("stPageLink").get_by_text("Train one of your own")
    assert link.evaluate("words => words.scrollWidth <= words.clientWidth")
    page.wait_for_function("""() => { const main = document.querySelector('[data-testid=stMain]');
        return main.scrollWidth <= main.clientWidth
            && [...main.querySelectorAll('[data-testid=stPageLink], .st-key-ae_latent *')]
                .every((part) => part.getBoundingClientRect().right <= innerWidth + 1) }""")
