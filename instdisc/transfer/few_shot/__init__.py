"""Few-shot episodes."""

from .base_novel import evaluate_base_and_novel as evaluate_base_and_novel
from .finetune import BSCD_FSL_RECIPE as BSCD_FSL_RECIPE
from .finetune import ISLAM_RECIPE as ISLAM_RECIPE
from .finetune import EpisodeRecipe as EpisodeRecipe
from .finetune import finetune_few_shot as finetune_few_shot
from .frozen import evaluate_few_shot as evaluate_few_shot
from .logistic import EpisodeLogistic as EpisodeLogistic
from .logistic import fit_episode_logistic as fit_episode_logistic
