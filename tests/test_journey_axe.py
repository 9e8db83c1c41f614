"""Every page, light and dark, looked through by axe-core: no finding that is ours."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import PATIENCE, new_context

from latentscape.site_map import PAGES, tab_title

pytestmark = pytest.mark.browser

PAD = "[data-testid=latent-pad]:not([data-decodes='0'])"
DRAWN = {
    "": PAD, "explore": PAD, "map": ".st-key-map_chart .js-plotly-plot .main-svg", "data": ".stFileUploader",
    "train": ".st-key-train_start button", "sweep": ".st-key-sweep_pictures img", "restore": ".st-key-restore_scores",
    "autoencoders": ".st-key-ae_kernels img", "pixels": ".st-key-pixels_canvas",
    "compare": ".st-key-compare_table [data-testid=stDataFrame]",
}
AT_REST = """() => !document.querySelector('[data-testid=stStatusWidget], .stSpinner, [data-stale=true]')
  && [...document.querySelectorAll('.stMain [data-testid=stElementContainer]')]
    .every(element => getComputedStyle(element).opacity === '1')"""

# What is Streamlit's own, by rule: a pattern of the elements that it is allowed for, and why it cannot be mended from here.
THEIRS = {
    # The dropzone of an uploader is a section that says presentation and has a name and a tabindex; its button is sound.
    "presentation-role-conflict": "section[data-testid=stFileUploaderDropzone]",
    # The groups of the side bar are div within its list.
    "list": "ul[data-testid=stSidebarNavItems]",
    "listitem": "ul[data-testid=stSidebarNavItems] li",
}


@pytest.fixture(scope="module", params=["light", "dark"])
def tab(request, chromium, server):
    """One tab for all pages of a theme."""
    context = new_context(chromium, viewport={"width": 1400, "height": 900}, color_scheme=request.param)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("address", [address for *_, address in PAGES.values()])
def test_axe_finds_nothing_of_ours(tab, server, address):
    tab.goto(f"{server.url}/{address}")
    tab.locator(DRAWN[address]).first.wait_for(state="attached")
    tab.wait_for_function(AT_REST, timeout=1000 * PATIENCE)
    title = next(title for title, _, own in PAGES.values() if own == address)
    assert tab.title() == tab_title(title, address)
    found = Axe().run(tab).response["violations"]
    ours = [
        f"{rule['id']}: {node['html'][:200]} ({node['failureSummary']})"
        for rule in found for node in rule["nodes"]
        if not tab.evaluate("([name, allowed]) => !!allowed && document.querySelector(name)?.matches(allowed)",
                            [node["target"][-1], THEIRS.get(rule["id"], "")])
    ]
    assert ours == []
