"""What tests of several folders stand on: servers that run for real, free ports, bodies of events, pages of docs/.

What one folder alone needs stays in that folder. The folder of tests is on the path (pyproject.toml), so
`from support.exporter import …` works from any test, from benchmarks and from the programs beside the tests.
"""
