"""The detectors that weigh evidence, by thresholds alone: what tenants.yaml says for it."""

from bw_rules.detectors import OFF_UNTIL_ASKED_FOR, THRESHOLDS
from bw_rules.toolkit.thresholds import Weighed

WEIGHED = [
    name
    for name, model in THRESHOLDS.items()
    if issubclass(model, Weighed) and name not in OFF_UNTIL_ASKED_FOR
]
BASELINES = [name for name in WEIGHED if "baseline" in THRESHOLDS[name].model_fields]
_FIXED = "".join(f"{name}: {{sensitivity: fixed}}, " for name in WEIGHED)
DETECTORS = f"{{{_FIXED}silent_lapse: {{max_silence: 4h}}, webhook_lag: {{min_events: 1}}}}"
DEFAULTS = f"defaults:\n  detectors: {DETECTORS}\n"
