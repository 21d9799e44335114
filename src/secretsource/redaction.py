"""Masks: what stands where a value must not be seen."""

MASK = "**********"
