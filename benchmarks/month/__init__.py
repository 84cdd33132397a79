"""A virtual month of one service: everything that happens to keys, names, hosts, connections and clocks in months.

``python -m benchmarks.month`` runs it in a minute or two, reports whether the client's promises held, and draws what it
held open. The client, aiohttp and the event loop are the real ones; the network, the API and time are not.
"""
