"""Hosted by accident must be safe: what counts as one person's server, and what the others do not find."""

import urllib.request
from types import SimpleNamespace

import pytest
from conftest import PATIENCE, ROOT, Server
from test_pages import finished_run, open_app

from latentscape.once import once
from latentscape.server import hosted
from latentscape.ui import own, picker


@pytest.fixture
def asked(monkeypatch):
    """Makes a page be asked for with these headers, of a server that listens on these addresses."""

    def ask(addresses: list[str], **headers: str) -> bool:
        monkeypatch.delenv("LATENTSCAPE_SHARED", raising=False)
        listening = [SimpleNamespace(laddr=SimpleNamespace(ip=address), status="LISTEN") for address in addresses]
        elsewhere = SimpleNamespace(laddr=SimpleNamespace(ip="192.0.2.1"), status="ESTABLISHED")
        process = SimpleNamespace(net_connections=lambda kind: [*listening, elsewhere])
        monkeypatch.setattr(hosted.psutil, "Process", lambda: process)
        found = {name.replace("_", "-"): value for name, value in headers.items()}
        monkeypatch.setattr(hosted, "st", SimpleNamespace(context=SimpleNamespace(headers=found)))
        monkeypatch.setattr(hosted, "_listens_on_loopback_only", once(hosted._listens_on_loopback_only.__wrapped__))
        return hosted.shared_server()

    return ask


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1:8501", "[::1]:8501", "127.0.0.1", "app.localhost:80"])
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1"], ["127.0.0.1", "::1"]])
def test_a_server_that_only_this_machine_reaches_is_one_persons(asked, addresses, host):
    assert not asked(addresses, Host=host)


@pytest.mark.parametrize("addresses", [["0.0.0.0"], ["::"], ["10.0.0.7"], ["127.0.0.1", "0.0.0.0"], []])
def test_any_other_is_shared_whatever_the_page_is_called(asked, addresses):
    assert asked(addresses, Host="localhost:8501")


@pytest.mark.parametrize(
    "headers",
    [{"Host": "lab.example.org"}, {"Host": "10.0.0.7:8501"}, {}, {"Host": ""}, {"Host": "localhost.example.org"},
     {"Host": "localhost", "X_Forwarded_For": "10.0.0.7"}, {"Host": "localhost", "Forwarded": "for=10.0.0.7"}],
)
def test_behind_a_proxy_or_under_another_name_it_is_shared(asked, headers):
    assert asked(["127.0.0.1"], **headers)


@pytest.mark.parametrize(("told", "shared"), [("0", False), ("1", True)])
def test_the_variable_has_the_last_word(asked, monkeypatch, told, shared):
    asked(["0.0.0.0"])
    monkeypatch.setenv("LATENTSCAPE_SHARED", told)
    assert hosted.shared_server() is shared


def test_where_nobody_can_tell_it_is_shared(asked, monkeypatch):
    asked(["127.0.0.1"])

    def refused():
        raise hosted.psutil.AccessDenied

    monkeypatch.setattr(hosted.psutil, "Process", refused)
    monkeypatch.setattr(hosted, "_listens_on_loopback_only", once(hosted._listens_on_loopback_only.__wrapped__))
    assert hosted.shared_server()


def test_a_page_without_a_word_from_anybody_keeps_models_off_the_disk(jobs, weights, monkeypatch, tmp_path):
    monkeypatch.delenv("LATENTSCAPE_SHARED", raising=False)
    monkeypatch.setattr(picker, "KEPT", tmp_path / "kept")
    run = finished_run(weights)
    jobs.store.add(run)
    at = open_app("train", run=run.view_id)
    at.button(key="train_keep").click().run()
    assert not (tmp_path / "kept").exists()
    assert at.selectbox(key="checkpoint").value == "own/digits-mlp-2-d"
    reloaded = open_app()
    assert "digits-mlp-2-d (yours)" in reloaded.selectbox(key="checkpoint").options  # the visitor's, not the tab's
    assert "digits-mlp-2-d (yours)" not in open_app(visitor="another").selectbox(key="checkpoint").options
    assert own.store().size("me") >= len(weights)


def cookies_of(url: str, *given: str) -> dict[str, str]:
    """The cookies that an answer sets, to a browser that has these; name -> the header."""
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Cookie": "; ".join(given)}), timeout=PATIENCE) as answer:
        return {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_all("Set-Cookie") or []}


def test_a_page_brings_a_secret_once_that_no_script_and_no_other_site_gets(tmp_path):
    running = Server(ROOT / "streamlit_app.py", tmp_path / "log")
    try:
        for address in ("", "/train"):
            first = cookies_of(f"{running.url}{address}")
            assert first.keys() == {"latentscape_visitor", "latentscape_start"}
            for cookie in first.values():
                assert "HttpOnly; SameSite=Lax" in cookie
                assert "expires" not in cookie.lower()
            given = [cookie.split(";")[0] for cookie in first.values()]
            url = f"{running.url}{address}"
            assert cookies_of(url, *given) == {}
            assert cookies_of(url, "latentscape_visitor=guess", given[1]).keys() == {"latentscape_visitor"}
            assert cookies_of(url, given[0], "latentscape_start=former").keys() == {"latentscape_start"}
    finally:
        running.close()
