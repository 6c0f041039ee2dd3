"""`bw-exporter simulate`: made-up shops, live and in the past, posted as Stripe would."""
