"""From detectors and tenants to groups of rules, before any format: profiles, the exporter's own alerts, runbooks."""
