"""A past: what each scrape would have shown, had the exporter run then, as a file and as the store it left behind.

`steps` lives through events step by step and notes what changed, `file` writes that as OpenMetrics text, `scrape` makes
the text of the last moment, `journal` keeps what was noted so that a long past can be gone on with, `history` is the
past of real accounts. Made-up pasts are in bw_simulator, which uses the same.
"""
