"""The Grafana dashboards, one module each: what stands on them, from `rows`, and in what order.

`rows` has one module for each subject (delivery, sales, detectors …): a new panel goes there. `toolkit` has what panels
are made of: queries, kinds of panel, tables, the frame that all dashboards share; no row imports another.
"""
