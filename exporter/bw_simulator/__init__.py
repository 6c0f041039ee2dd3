"""`bw-exporter simulate` and `send`: made-up shops, live and in the past, posted as Stripe would.

The exporter does not import it (its command line does), so that what it makes is a fair test.
"""
