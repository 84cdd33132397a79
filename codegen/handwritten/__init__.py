"""The hand-written code around the generated modules: what the generator writes in it, and what it asks for."""
