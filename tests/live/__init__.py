"""Tests of what runs in the target: with torch in another Python (ENVDOCTOR_TORCH_PYTHON), and without it here."""
