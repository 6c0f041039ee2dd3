"""Rules over a past: what they would have recorded, and what would have fired.

`passes` says which recordings are needed and in which order, `server` runs a Prometheus that only answers,
`blocks` has promtool write recordings into its data, `past` makes all blocks of a past in a file, `firing` applies
`for` and `keep_firing_for`. For `bw-rules backtest`, `coverage` says from when on a running Prometheus knows each
tenant, `variants` makes the thresholds that are compared, `plan` what has to be recorded for all of them, `trial`
finds the episodes, `template` writes their descriptions and `report` the whole.
"""
