"""The smoke: a short GRPO run that measures itself. Runs in the target's own Python: standard library and torch, Python 3.9+.

Nothing here is imported by the doctor, nothing of the doctor is imported here. The worker (``__main__.py``) is started by
:mod:`envdoctor.workers`, tells its progress as JSON lines on a file descriptor of its own, and ends with one document of the
shape of :class:`envdoctor.measured.Measured`. What the numbers mean is judged in :mod:`envdoctor.proving.verdict`.
"""
