"""HTTP as a worker speaks it: connections with deadlines, whole requests, and who answers them."""
