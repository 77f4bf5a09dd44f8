"""Programs of their own that the engine starts as files; neither imports anything of heygem."""
