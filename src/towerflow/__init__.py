"""Towerflow: from item text and an interaction log to a published retrieval index."""

__version__ = "0.1.0"
