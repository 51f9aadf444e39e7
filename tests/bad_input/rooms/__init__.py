"""One file for each room: its specifications, ``CALLS``."""
