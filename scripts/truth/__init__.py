"""`make truth`: do the alerts tell the truth? Rules over the past of a fleet of made-up shops, judged.

`evaluate` has Prometheus say when alerts would have fired, `judge` compares that with what was wrong, `cause` says
of what kind a false alarm is, `table` prints it. The shops and what goes wrong at them are `bw_simulator.fleet`.
"""
