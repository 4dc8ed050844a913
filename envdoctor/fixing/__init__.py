"""``envdoctor fix``: which change mends an environment. ``envdoctor.applying`` makes it real."""
