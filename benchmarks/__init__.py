"""What the exporter and its rules cost, each beside a yardstick measured in the same run: `make bench`.

One module is one benchmark: it defines `run(quick: bool) -> list[Row]`. Ratios carry over from one machine
to another; times do not.
"""
