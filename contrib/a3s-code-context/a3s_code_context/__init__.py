"""Finds text for prompts of a3s-code."""
