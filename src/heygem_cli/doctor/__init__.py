"""``heygem doctor``: checks that return findings; nothing here prints."""
