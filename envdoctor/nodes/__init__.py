"""Many nodes at once: the probe on each through a command prefix, the rules on each node's facts, and what differs.

``hosts`` and ``naming`` read and write node names, ``via`` makes the command of one node, ``payload`` the program that it
runs, ``hearing`` finds the document in what came back, ``running`` is the only file that starts anything. ``quiet`` tells
equal facts from others, ``aspects``, ``mattering`` and ``skew`` compare them, ``judging`` puts all of it together, and
``lists`` writes the names down for a scheduler.
"""
