"""One HTTP exchange. The only folder that touches aiohttp's client."""
