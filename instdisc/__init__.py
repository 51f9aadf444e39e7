"""Pretrain visual representations and learn what they are worth.

Everything public is an attribute of this module or of one of its sub-packages; each is imported
when it is first used. ``__init__.pyi`` beside this file lists the names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
