"""Recipes that train the networks in ``models/``. The program never imports them."""
