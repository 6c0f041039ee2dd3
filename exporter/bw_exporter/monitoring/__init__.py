"""The private listener: what Prometheus scrapes, and pages and tables for people."""
