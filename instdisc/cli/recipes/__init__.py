"""The published recipes, one YAML file each, and the command that lists, shows and copies them."""

from .command import main as main
from .files import Recipe as Recipe
from .files import read_recipe as read_recipe
from .files import recipe_names as recipe_names
from .files import recipe_path as recipe_path
from .files import resolve_recipes as resolve_recipes
