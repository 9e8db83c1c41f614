"""What a server has one of is made once, however many first visitors come at the same moment."""

import ast
import threading
import time

import pytest
from conftest import ROOT

from latentscape.once import once

VISITORS = 30


def all_at_once(get) -> list:
    """What as many threads got that asked at the same moment; an exception where it raised."""
    start, got = threading.Barrier(VISITORS), []

    def ask():
        start.wait()
        try:
            got.append(get())
        except OSError as error:
            got.append(error)

    threads = [threading.Thread(target=ask) for _ in range(VISITORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


def test_a_slow_constructor_is_called_once():
    made = []

    def slow():
        made.append(threading.get_ident())
        time.sleep(0.2)  # long enough for every other to have asked
        return object()

    got = all_at_once(once(slow))
    assert len(made) == 1
    assert len(got) == VISITORS
    assert len(set(map(id, got))) == 1


def test_where_making_fails_the_next_one_tries_again():
    tries = []

    @once
    def late():
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return "made"

    got = all_at_once(late)
    assert got.count("made") == VISITORS - 2
    assert len(tries) == 3


OF_A_SERVER = [("ui/running", "jobs"), ("work/cluster", "cluster"), ("work/analyses", "analyses"), ("ui/own", "store")]


@pytest.mark.parametrize(("module", "name"), OF_A_SERVER)
def test_the_servers_own_are_made_once(module, name):
    path = ROOT / "latentscape" / f"{module}.py"
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef) and node.name == name]
    assert [ast.unparse(decorator) for decorator in functions[0].decorator_list] == ["once"]


def test_no_function_without_arguments_is_left_to_a_cache_that_may_make_two():
    found = []
    for path in (ROOT / "latentscape").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and not (node.args.args or node.args.kwonlyargs):
                caches = [ast.unparse(decorator) for decorator in node.decorator_list]
                found += [f"{path.name}: {node.name}" for cache in caches if "lru_cache" in cache or "functools.cache" in cache]
    assert not found
