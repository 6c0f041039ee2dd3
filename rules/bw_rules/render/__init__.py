"""From groups and receivers to files: rules for Prometheus, its operator and Mimir, and Alertmanager's routes.

Each format is one file. What is in a rule is decided in `groups`; which fields a receiver takes, in the exporter's
`config/alerting`.
"""
