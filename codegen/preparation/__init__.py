"""Rewrites the schemas of a description into those that datamodel-code-generator turns into faithful models."""
