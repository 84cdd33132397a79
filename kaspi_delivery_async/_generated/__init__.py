"""Code made from the API description by `python -m codegen`; never edited by hand."""
