"""Tests of the doctor's side of the deep check: workers that lie, hang and die."""
