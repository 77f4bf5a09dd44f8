"""The files of a HeyGem installation: where they are, and how to parse and edit them. Nothing is written here."""
