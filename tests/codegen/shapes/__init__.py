"""Small schemas, and the models that are made of them."""
