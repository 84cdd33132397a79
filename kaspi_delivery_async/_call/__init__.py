"""One call, from operation to answer; private to the package."""
