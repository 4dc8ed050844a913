"""The preflight: every check that a machine must pass before a job is let onto it, cheapest first."""
