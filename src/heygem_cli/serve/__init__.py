"""``heygem serve``: a page and an HTTP API over one queue of jobs."""
