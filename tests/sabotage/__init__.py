"""Faults put into the smoke on purpose: every one must fail the verdict, with the right invariant named."""
