"""The engine ``heygem``, which drives an existing HeyGem installation."""
