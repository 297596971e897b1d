"""Choosing from prepared data by rules, without copying it."""
