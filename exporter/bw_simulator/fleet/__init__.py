"""Made-up shops with a past of eight weeks, and what goes wrong at them, to judge alerting rules by.

`shops` and `incidents` are data. The rest is a pure function of them, of a calendar and of a seed: `rates` (how
much each hour should bring), `traffic` (events, second by second), `delivery` (when each is received), `evidence`
(when one who knows the shop could be sure of an incident) and `exposition` (the exporter's series, in OpenMetrics).

Nothing of it passes through the exporter: twenty shops over 58 days are a million events, and what is judged are
rules, which see nothing but series. That the exporter counts exactly what it is sent is for its own tests.
"""
