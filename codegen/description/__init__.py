"""Reading a description: bundle, overlay, validate, names."""
