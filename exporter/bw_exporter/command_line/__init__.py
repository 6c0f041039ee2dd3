"""What bw-exporter and bw-rules share of a command line: flags, environment variables, kinds of values."""
