"""The ``kaspi-delivery bulk`` commands."""
