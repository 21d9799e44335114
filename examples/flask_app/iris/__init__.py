"""Iris: tells the species of an iris from four measurements. A small service that shows how to handle secrets."""
