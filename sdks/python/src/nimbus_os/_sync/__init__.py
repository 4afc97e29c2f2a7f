"""The client that blocks, made of `_async` by `sdks/generate` but for what waits differently."""
