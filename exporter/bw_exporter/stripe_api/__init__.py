"""Reading Stripe's API with a restricted key: events that exist, objects as they are now, what a key may read.

Only GET requests are made. What is read here becomes facts by the same way as a webhook's body: nothing in this
room knows what is counted. `client` makes one request, `clients` one that is repeated, `pace` says when, `lists` walks
a list, `events` and `endpoints` say which, `probe` asks what a key may do.
"""
