"""``check --deep``: start the workers that really run and import, and make facts of what they tell."""

from envdoctor.deep.looking import Asked, look

__all__ = ["Asked", "look"]
