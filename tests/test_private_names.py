"""The names of Dask and Streamlit that neither promises to keep: each still does what we use it for, and only their one module
says them. A failure here after an upgrade names what broke."""

import ast
import inspect
import logging
import re
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import dask
import pytest
import streamlit as st
from conftest import PATIENCE, ROOT
from distributed import Client, LocalCluster, Nanny, Worker
from streamlit import config
from streamlit.testing.v1 import AppTest

from latentscape.server import streamlit_private
from latentscape.ui import shell
from latentscape.work import dask_private

OURS = [path for folder in ("latentscape", "pages", "latent_pad") for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.fixture(scope="module")
def local():
    """A cluster of threads of this process."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 7}),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def client(local):
    with Client(local, set_as_default=False) as client:
        yield client


def test_a_local_cluster_takes_one_more_worker_by_its_spec(local):
    spec = {"cls": Worker, "options": {"nthreads": 1, "dashboard": False}}
    dask_private.add_worker(local, "more", spec)
    assert "more" in local.workers, "SpecCluster.worker_spec or _correct_state: the analysis worker would never start"
    before = local.workers["more"]
    dask_private.add_worker(local, "more", spec)
    assert local.workers["more"] is before


def test_a_worker_whose_nanny_died_is_started_again(local):
    dask_private.add_worker(local, "dead", {"cls": Worker, "options": {"nthreads": 1, "dashboard": False}})
    before = local.workers["dead"]
    dask_private.start_again(local, ["dead"])
    assert local.workers["dead"] is not before, "SpecCluster.worker_spec or _correct_state: no training after a nanny has died"


def test_processes_of_a_local_cluster_are_found(local, monkeypatch):
    assert dask_private.processes(local) == dask_private.ended(local) == [], "these are threads"
    process = SimpleNamespace(returncode=None)
    monkeypatch.setattr(local.workers[0], "process", process, raising=False)
    assert dask_private.processes(local) == [process]
    assert dask_private.ended(local) == []
    process.returncode = -9
    assert dask_private.ended(local) == [0]
    for part in (dask_private.SubprocessWorker, dask_private.SubprocessScheduler):
        said = inspect.getsource(part) + inspect.getsource(part.__bases__[0])
        assert "self.process" in said, "Subprocess.process: what a lost cluster leaves behind would live on"


def test_workers_are_known_by_their_address(local, client):
    known = dask_private.workers(client, 30)
    assert local.workers[0].address in known, "Client.scheduler.identity: no worker would be found, and nothing trained"
    assert all({"resources", "name"} <= set(worker) for worker in known.values())


def test_a_lost_connection_is_another_one(local, client):
    before = dask_private.connection(client)
    assert before is not None, "Client.scheduler_comm: a scheduler that was started again would be taken for the lost one"
    assert dask_private.connection(client) is before


def test_a_crash_is_an_answer(local, client):
    assert local.scheduler.allowed_failures == 7, "Scheduler.allowed_failures: a training that crashes would be tried again"
    client.run_on_scheduler(dask_private.settle, topic="t", ours=False)
    assert local.scheduler.allowed_failures == 7, "on somebody else's cluster their own setting stays"
    client.run_on_scheduler(dask_private.settle, topic="t", ours=True)
    assert local.scheduler.allowed_failures == 0


def test_the_scheduler_keeps_the_last_event_only(local, client):
    client.run_on_scheduler(dask_private.settle, topic="t", ours=True)
    for number in range(5):
        client.log_event("t", number)
    assert [event for _, event in client.get_events("t")] == [4], "Scheduler._broker: weights would pile up on the scheduler"


def test_a_nanny_knows_its_process():
    assert isinstance(inspect.getattr_static(Nanny, "pid"), property), "Nanny.pid: a worker that hangs would not be replaced"


def test_a_cancelled_training_is_told_from_a_failed_one(client):
    future = client.submit(sum, [1, 2], pure=False)
    future.cancel()
    with pytest.raises(dask_private.FutureCancelledError):
        future.result(timeout=PATIENCE)


SETTINGS = """
import sys
from pathlib import Path
import streamlit as st
from latentscape.server.streamlit_private import settings_of
if sys.argv[2]:
    assert st.get_option("theme.light.primaryColor") is None
settings_of(Path(sys.argv[1]))
print(st.get_option("theme.light.primaryColor"), st.get_option("browser.gatherUsageStats"))
"""


@pytest.mark.parametrize("asked_before", ["", "yes"])
def test_the_settings_beside_the_script_are_found_from_another_folder(tmp_path, asked_before):
    command = [sys.executable, "-c", SETTINGS, str(ROOT / "streamlit_app.py"), asked_before]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    message = "streamlit.config._main_script_path: started elsewhere, the app would have no theme and send statistics"
    assert done.stdout.split() == ["#4338ca", "False"], message + done.stderr


def test_what_says_that_there_are_old_style_pages_is_what_navigation_clears(monkeypatch):
    from streamlit.runtime.pages_manager import PagesManager

    monkeypatch.setattr(PagesManager, "uses_pages_directory", True)
    assert streamlit_private.has_old_pages()
    AppTest.from_string("import streamlit as st\nst.navigation([st.Page(lambda: None, title='x')])").run()
    assert not streamlit_private.has_old_pages(), "PagesManager.uses_pages_directory: a fresh server would show file names"
    PagesManager.uses_pages_directory = True
    streamlit_private.no_old_pages()
    assert PagesManager.uses_pages_directory is False


def test_every_setting_beside_the_script_is_one_that_streamlit_knows():
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    said = {f"{part}.{name}" for part, names in settings.items() for name in names if not isinstance(names[name], dict)}
    assert "global.maxCachedMessageAge" in said, "hidden; at its default a quick Back loses a chart"
    assert said <= config._config_options_template.keys()


def test_spinners_that_have_no_page_can_be_kept_quiet(caplog):
    @st.cache_resource(show_spinner="turning")
    def made(_number: int) -> object:
        return object()

    with streamlit_private.quiet_spinners():
        made(1)
    assert not caplog.records, "the logger script_run_context: the server's log would begin with pages of warnings"
    made.clear()
    made(1)
    assert {record.name for record in caplog.records} == {"streamlit.runtime.scriptrunner_utils.script_run_context"}
    made.clear()
    assert not logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").disabled


def test_a_run_that_answers_back_is_told_from_others():
    from streamlit.proto.ClientState_pb2 import ClientState
    from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

    message = "ScriptRunContext.is_history_navigation: Back would change the address, and nothing on the page"
    assert "is_history_navigation" in ClientState.DESCRIPTOR.fields_by_name, message
    assert ScriptRunContext.is_history_navigation is False, message
    script = "import streamlit as st\nfrom latentscape.server import streamlit_private as it\nst.text(it.came_by_history())"
    at = AppTest.from_string(script).run()
    assert at.text[0].value == "False", message


def test_an_upload_can_be_let_go_of():
    script = """
import streamlit as st
from latentscape.server import streamlit_private
def away():
    streamlit_private.remove_upload(st.session_state["f"])
    st.session_state["mine"] = streamlit_private.session()
st.file_uploader("f", key="f", on_change=away)
"""
    at = AppTest.from_string(script).run()
    at.file_uploader(key="f").set_value(("a.txt", b"a", "text/plain")).run()
    assert not at.exception, "ScriptRunContext.uploaded_file_mgr: what is uploaded would be held twice"
    assert at.session_state["mine"], "ScriptRunContext.session_id"


def test_without_a_server_nobody_is_connected():
    assert streamlit_private.is_connected("nobody") is False
    from streamlit.runtime import Runtime

    assert callable(Runtime.is_active_session), "Runtime.is_active_session: pictures would leave while their tab is open"


def test_streamlits_page_is_as_we_know_it():
    assert streamlit_private.index(), "Surprise: server/front_page.py must be looked at again; until then pages are slower"
    for widget in ("Selectbox", "Html", "ButtonGroup", "BidiComponent", "NumberInput"):
        assert streamlit_private.module_of(widget)


@pytest.mark.parametrize("name", sorted(set(re.findall(r'\.(st(?!-)\w+)|data-testid="(\w+)"', shell.CSS))))
def test_streamlit_calls_its_elements_so(name):
    (name,) = filter(None, name)
    scripts = (streamlit_private.STATIC / streamlit_private.JS).glob("*.js")
    assert any(name in path.read_text() for path in scripts), f"{name}: the style in latentscape/ui/shell.py reaches nothing"


PUBLIC = {  # Dask's and Streamlit's modules that their documentation names
    "dask", "dask.system", "dask.config", "dask.utils", "distributed", "distributed.deploy", "distributed.system", "streamlit",
    "streamlit.typing", "streamlit_drawable_canvas",
}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_only_one_module_says_private_names(path):
    tree = ast.parse(path.read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module} | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    if path.name not in ("dask_private.py", "streamlit_private.py"):
        theirs = {name for name in imported if name.split(".")[0] in ("dask", "distributed", "streamlit")}
        assert theirs <= PUBLIC
        of_others = {
            ast.unparse(node) for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("_")
            and ast.unparse(node.value) not in ("self", "cls")
        }
        assert of_others - {"os._exit"} == set()
