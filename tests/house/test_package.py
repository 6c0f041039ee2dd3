from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from bw_exporter import DOCS_URL

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
READ_BY_TESTS = {
    "Dockerfile", "Makefile", "README.md", "SECURITY.md", "benchmarks", "dashboards", "deploy", "docker-compose.yml",
    "docs", "exporter", "pyproject.toml", "requirements", "rules", "scripts", "tests",
}  # fmt: skip


def test_the_source_distribution_has_what_its_tests_read(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.iterdir()
    with tarfile.open(made) as archive:
        names = {Path(name).parts[1] for name in archive.getnames()}
    assert names >= READ_BY_TESTS
    assert not names & {".venv", ".tools", ".git"}


def test_the_addresses_of_the_package_are_those_of_its_documentation() -> None:
    urls = PROJECT["urls"]
    home = DOCS_URL.removesuffix("/blob/main/docs")
    assert urls["Homepage"] == home
    assert urls["Documentation"] == DOCS_URL
    for url in urls.values():
        assert (ROOT / url.removeprefix(home).removeprefix("/blob/main").lstrip("/")).exists()


def test_every_python_of_the_classifiers_is_tested_and_so_is_the_one_of_the_image() -> None:
    classified = {
        one.rpartition(" ")[2] for one in PROJECT["classifiers"] if one.startswith("Programming Language")
    }
    matrix = (ROOT / ".github/workflows/ci.yml").read_text().partition('python: ["')[2].partition('"]')[0]
    assert set(matrix.split('", "')) == classified
    image = (ROOT / "Dockerfile").read_text().partition("FROM python:")[2].partition("-")[0]
    assert image in classified
