"""The courier service, without HTTP."""
