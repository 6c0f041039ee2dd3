"""The detectors that weigh evidence, by thresholds alone: what tenants.yaml says for it."""

DETECTORS = """{
    charge_failure_spike: {sensitivity: fixed}, fraud_spike: {sensitivity: fixed},
    revenue_drop: {sensitivity: fixed}, silent_lapse: {max_silence: 4h}, webhook_lag: {min_events: 1}
  }"""
DEFAULTS = f"defaults:\n  detectors: {DETECTORS}\n"
