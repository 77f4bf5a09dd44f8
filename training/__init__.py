"""The recipes that make ``models/``. The program never imports them."""
