"""Tests of the smoke: those that need torch run it in another Python (ENVDOCTOR_TORCH_PYTHON)."""
