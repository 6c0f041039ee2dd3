"""Counting what Stripe made and no webhook brought: a process of its own, where a tenant has an API key.

`turn` asks for one tenant and applies what is missing, `accounts` says whose turn it is and waits after failures,
`by_hand` and `probing` do so when asked to by a command,
`endpoint` keeps whether the webhook endpoint is enabled, `standing` takes in what is older than the
events, `lease` lets one of several replicas do it.
"""
