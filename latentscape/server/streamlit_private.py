"""What we use of Streamlit that it does not promise to keep: every such name stands here, and tests/test_private_names.py tells
what each is to do. (Names of its elements in CSS stand in latentscape/ui/shell.py and have their test there too.)"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit
from streamlit import config, runtime
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.typing import UploadedFile

__all__ = [
    "BACKEND", "JS", "STATIC", "StreamlitPage", "Surprise", "came_by_history", "component_address", "has_old_pages", "index",
    "is_connected", "module_of", "no_old_pages", "quiet_spinners", "remove_upload", "session", "settings_of",
]
STATIC = Path(streamlit.__file__).parent / "static"
JS = "./static/js/"  # below STATIC, and in an address
LINKS = 20  # modules that Streamlit's page names, at least
BACKEND = "BACKEND_BASE_URL"  # of window.__streamlit: where its loader asks for the server
COMPONENTS = "bidi-components"  # in the address of a component's assets


class Surprise(Exception):
    """Streamlit is not as we know it; says how."""


# The server.


def settings_of(script: Path) -> None:
    """Have the settings beside this script, in .streamlit/config.toml, wherever the server was started: `streamlit run` does
    that by itself, and st.App for settings that nobody has asked for yet."""
    if config._main_script_path is None:
        config._main_script_path = str(script.resolve())
        if config._config_options:
            config.get_config_options(force_reparse=True)


def no_old_pages() -> None:
    """Say that files in pages/ are no pages by themselves."""
    PagesManager.uses_pages_directory = False


def has_old_pages() -> bool:
    """Whether Streamlit may run a file in pages/ alone, where st.navigation has not run yet."""
    return bool(PagesManager.uses_pages_directory)


@contextmanager
def quiet_spinners() -> Iterator[None]:
    """Caches turn spinners, and warn where there is no page to turn them on."""
    logger = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


# The visitor.


def session() -> str:
    """Streamlit's name of the connection that this page is drawn for: another one after a reload. Empty where none is drawn."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else ""


def came_by_history() -> bool:
    """Whether this run of the page answers the browser's Back or Forward."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def is_connected(session: str) -> bool:
    """Whether the tab of this session is open."""
    return runtime.exists() and runtime.get_instance().is_active_session(session)


def remove_upload(file: UploadedFile) -> None:
    """Streamlit keeps an uploaded file until the session ends: let go of it now."""
    context = get_script_run_ctx()
    context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


# The first page of the server.


def index() -> str:
    """Streamlit's own page, if it is as latentscape/server/front_page.py knows it. Raises Surprise."""
    html = _read(STATIC / "index.html")
    (loader, *others) = re.findall(r'<script type="module"[^>]* src="\./static/js/([^"]+)"></script>', html) or [""]
    known = {
        "one head": html.count("<head>") == html.count("</head>") == 1,
        "one loader": bool(loader) and not others,
        "no import map": "importmap" not in html,
        "its icon": html.count('href="./favicon.png"') == 1,
        "the names of its modules": html.count('<link rel="modulepreload" crossorigin href="./static/js/') >= LINKS,
    }
    if missing := [what for what, there in known.items() if not there]:
        raise Surprise(f"its page has not {', '.join(missing)}")
    text = _read(STATIC / JS / loader)
    if unknown := [name for name in (BACKEND, COMPONENTS) if name not in text]:
        raise Surprise(f"its loader does not know {', '.join(unknown)}")
    return html


def module_of(widget: str) -> str:
    """The file of a widget, as Streamlit calls it: Selectbox.7rsxE6LC.js. Raises Surprise."""
    found = [path.name for path in (STATIC / JS).glob(f"{widget}.*.js")]
    if len(found) != 1:
        raise Surprise(f"there are {len(found)} modules called {widget}")
    return found[0]


def component_address(name: str) -> str:
    """Where the browser asks for the assets of a component."""
    return f"./_stcore/{COMPONENTS}/{name}/"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise Surprise(f"{path.name} cannot be read") from error
