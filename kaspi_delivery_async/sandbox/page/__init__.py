"""The sandbox in a browser: pages over the control API (extra ``sandbox-page``)."""
