"""What panels are made of: PromQL for people, kinds of panel, tables, and the frame that all dashboards share."""
