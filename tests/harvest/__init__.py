"""Tests of the harvest: a package index in memory, and what is read of it."""
