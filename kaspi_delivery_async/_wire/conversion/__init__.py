"""JSON values to models and back: what each type of field takes, and how what is wrong is reported."""
