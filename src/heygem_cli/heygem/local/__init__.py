"""The engine that drives an existing HeyGem installation: its picture, without its hangs."""
