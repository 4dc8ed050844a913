"""The probe: standard library only, Python 3.8+, imports nothing of the patient, prints one JSON document.

It runs inside the target's interpreter, which may be years older than the doctor's and have no packages at all.
Each section (a module with ``LEAVES`` and ``probe``) fills a dict whose leaves all start as "no answer"; sections run
in threads of their own, so that one that hangs (a dead network file system, a sick GPU) costs only its own leaves.
"""
