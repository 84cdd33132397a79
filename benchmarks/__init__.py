"""What the package costs beside aiohttp itself and beside other clients; `python -m benchmarks` measures it."""
