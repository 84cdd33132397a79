"""One call: an operation in, a value or one typed error out."""
