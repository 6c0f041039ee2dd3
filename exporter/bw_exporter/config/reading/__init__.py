"""Files that somebody else wrote: regular ones alone, within bounds of size, depth and values, read strictly.

What a file means is not known here.
"""
