"""Receivers as tenants.yaml names them, and the one judge of their fields, for check-config and bw-rules alike."""
