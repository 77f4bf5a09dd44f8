"""The engine ``heygem-http``: HeyGem's official service, asked over HTTP."""
