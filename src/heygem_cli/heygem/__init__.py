"""Everything about HeyGem: its installation, its repair, and the engines that drive it."""
