"""Many jobs, none lost: manifest → plan → runner → report, with a journal that survives anything."""
