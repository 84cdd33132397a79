"""Mappings: how the columns of a shop's own export become the fields of an order."""
