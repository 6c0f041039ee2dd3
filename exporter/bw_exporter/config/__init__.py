"""tenants.yaml: reading it strictly, and saying of every mistake where it is and what to do."""
