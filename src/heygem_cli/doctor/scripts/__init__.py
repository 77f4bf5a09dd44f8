"""Small programs that the doctor runs as child processes, since what they try can crash or hang.

Each prints one JSON object as its last line. They are run as files by any interpreter from Python 3.8 on, HeyGem's own
too, so they use the standard library and, of all else, only what they are about.
"""
