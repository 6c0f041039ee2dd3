"""tenants.yaml: reading it strictly, and saying of every mistake where it is and what to do.

`shape` has the keys, `tenants` what comes of them. `reading` is how a file is read at all, `secrets` where secrets come
from, `alerting` what receivers are. Thresholds of detectors are models that the rules hand in; nothing here knows one.
"""
