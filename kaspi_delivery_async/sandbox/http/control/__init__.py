"""The control API: what `Sandbox` offers in code, over HTTP."""
