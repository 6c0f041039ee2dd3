"""The Grafana dashboards, one module each, of panels and PromQL from the other modules here."""
