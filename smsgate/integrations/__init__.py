"""Integrations: one module for each library. None is loaded before you import it."""
