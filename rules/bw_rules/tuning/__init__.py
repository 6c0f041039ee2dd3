"""Thresholds for each tenant, by what its past and people's judgement of it say.

`marks` reads which episodes were right and which were false, `ladder` says which thresholds are tried, each quieter
than the one before, `choice` picks one of them for a tenant and a detector, `patch` writes what was picked.
"""
