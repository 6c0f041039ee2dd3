"""Counting what Stripe made and no webhook brought: a process of its own, where a tenant has an API key.

`turn` asks an account and applies what its tenants miss, `accounts` says whose turn it is and waits after failures,
`running` does so on and on, `by_hand` and `probing` when asked to by a command. `endpoint` keeps whether the webhook
endpoint is enabled, `probe_of_tenant` looks what a key may do, `standing` takes in what is older than the events, and
`lease` lets one of several replicas do all this.
"""
