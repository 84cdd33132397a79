"""Writing the generated modules."""
