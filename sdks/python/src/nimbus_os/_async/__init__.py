"""The client for asyncio and Trio. `_sync` is made from this by `sdks/generate`."""
