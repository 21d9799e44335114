"""Servers that tests start on loopback, each a small module with its fixture."""
