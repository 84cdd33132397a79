"""Fields of an order: the columns that hold them, and how the text of a cell becomes a value."""
