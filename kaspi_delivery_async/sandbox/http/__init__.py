"""The sandbox over HTTP: the documented API and the control API."""
