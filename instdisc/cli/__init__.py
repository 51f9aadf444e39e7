"""The command ``instdisc``: what the library does, from a terminal, with the published recipes.

Each command is a module of its name with a function ``main(arguments)``; `main` here finds it. It
imports nothing heavy before it knows which one is asked for.
"""

from .main import main as main
