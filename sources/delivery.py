"""A delivery: the files that a sender hands over at one time, opened without trusting them.

What belongs here: opening a zip, a folder or a single file, listing its members, streaming their bytes, the limits that
keep a hostile archive from doing harm, and the identity of a delivery. What does not: what the members mean.
"""
