"""Writes what is made from code and checked in: pages of docs/, the example's rules and routing, runbooks.

Run it by `make generate`. It is no part of the wheel.
"""
