"""The shared store: a PostgreSQL database, written by several replicas. Needs the extra `postgres`."""
