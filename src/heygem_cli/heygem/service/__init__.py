"""The engine ``heygem-http``, which uses HeyGem's official service over HTTP."""
