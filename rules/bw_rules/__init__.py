"""Turn one tenants.yaml into Prometheus alerting rules and Alertmanager routing."""
