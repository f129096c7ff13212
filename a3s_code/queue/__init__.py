"""The lanes that queued work goes through."""
