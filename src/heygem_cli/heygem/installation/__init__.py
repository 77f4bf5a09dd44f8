"""A HeyGem installation: where its files are, and how each of them is read and edited. Nothing is written here."""
