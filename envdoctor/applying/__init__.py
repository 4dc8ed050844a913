"""Making a repair real, and unmaking it: stage, snapshot, journal, change, judge again; undo, resume (docs/applying.md)."""
