"""The public listener: one POST of Stripe, from its bytes to the answer."""
