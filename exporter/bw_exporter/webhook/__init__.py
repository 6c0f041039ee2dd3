"""The public listener: one POST of Stripe, from its bytes to the answer.

Signature, rate limit and the counting of refusals belong here. What an event means is `facts`, what it moves `ingest`.
"""
