"""The study: do the papers' findings hold where anyone can check them?"""
