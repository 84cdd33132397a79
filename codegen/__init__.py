"""Makes the models of `kaspi_delivery_async` from the API description, and tells what a change of it means."""
