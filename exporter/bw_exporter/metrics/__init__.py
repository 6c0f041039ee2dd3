"""What is counted, its closed label values, and how a series is written: pure, and standing on nothing of ours."""
