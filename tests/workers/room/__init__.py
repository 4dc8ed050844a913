"""A room that does what its first word says; stands for smoke and live in the tests of workers."""
