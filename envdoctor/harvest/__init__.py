"""Reading the package index: what every release says of itself and what its bytes hold, made into derived data.

``refresh`` is the way in. Nothing else of envdoctor touches the network, and nothing here is imported by a check.
"""
