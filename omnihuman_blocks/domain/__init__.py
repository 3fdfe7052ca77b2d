"""Nouns and decisions. No windows: nothing in here knows a clock, a disk, a network or Prefect."""
