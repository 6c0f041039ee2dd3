"""The store's file, its log and its lock: whether they are what was opened, and what was committed is in them.

Opening and judging a file, checkpoints, and the looks before and after each commit. Nothing here knows what is counted.
"""
