"""Databases as earlier releases left them: each must be read by every release after it.

`python -m tests.releases.make` adds the one of this release, in a folder of its own, just before
it is published; those of earlier releases are never made again.
"""
