"""Tests wait for what must come as long as a busy machine may take, and say how long that is in one place."""

import ast

import pytest
from conftest import ROOT

FILES = sorted(path for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_test_has_a_patience_of_its_own(path):
    for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
        limits = [keyword.value for keyword in call.keywords if keyword.arg in ("timeout", "default_timeout")]
        if ast.unparse(call.func).split(".")[-1] == "wait_until":
            limits += call.args[1:2]
        for limit in limits:
            assert not isinstance(limit, ast.Constant), f"line {call.lineno}: {ast.unparse(limit)}"
