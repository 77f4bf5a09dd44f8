"""Scripts that the doctor runs as child processes, because what they try may crash or hang.

Each prints one JSON object as its last line. HeyGem's own interpreter runs some of them, so they work in Python 3.8 and
import only the standard library and what they probe.
"""
