"""The page of a study: what was asked, how it was tested, and what came out, from its records."""

from .write import write_study_page as write_study_page
