"""Programs that the engine starts by their path; none imports anything of heygem."""
