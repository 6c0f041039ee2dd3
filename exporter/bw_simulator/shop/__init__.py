"""A shop on Stripe, made up: objects and events of Stripe's shapes, customers, and what goes wrong.

`objects` builds Stripe's objects, `events` wraps them for delivery, `sales`, `memberships` and `reversals`
tell what Stripe sends when a customer does something, `traffic` lets a whole shop live, `anomalies` is the
trouble. All of it is a pure function of a seed and of the times given to it.
"""
