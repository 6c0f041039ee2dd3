"""What detectors are made of: PromQL of durable counters, thresholds, test cases, and the shapes that several share."""
