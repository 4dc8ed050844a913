"""Locks: what a lock is (document), how it is made (making, bounds, wheels), and its other forms (pylock, sbom)."""
