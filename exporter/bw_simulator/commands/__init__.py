"""The commands of bw-exporter that make Stripe's part up; bw_exporter.commands has the others."""
