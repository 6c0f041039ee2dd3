"""Every example in a docstring gives what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import bw_exporter
import bw_rules
import bw_simulator


def modules() -> list[ModuleType]:
    names = [
        found.name
        for package in (bw_exporter, bw_rules, bw_simulator)
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not found.name.endswith(".__main__")
    ]
    return [importlib.import_module(name) for name in names]


def test_every_example_in_a_docstring_gives_what_it_says() -> None:
    results = {module.__name__: doctest.testmod(module) for module in modules()}
    assert [name for name, result in results.items() if result.failed] == []
    assert sum(result.attempted for result in results.values()) > 0
