"""The deep check in the target's Python: kernels, links between GPUs, real imports. Standard library and torch, Python 3.9+."""
