"""Doctor: one small function a check, no printing."""
