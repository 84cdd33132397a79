"""Generates the models from the API description, and reports what changed between two versions of it."""
