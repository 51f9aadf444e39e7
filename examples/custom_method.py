"""Write your own method: a backbone and one or two objectives, about 30 lines, nothing registered.

python examples/custom_method.py
"""

from pathlib import Path

import instdisc
from instdisc.checkpoint import open_backbone
from instdisc.losses import ContrastiveLoss, ExemplarLoss
from instdisc.methods import Classification, Contrast
from instdisc.testing import check_method


class CrossEntropyExemplarModule(instdisc.PretrainModule):
    """Cross-entropy plus the exemplar loss: neither paper has it, and it takes a few lines."""

    def __init__(
        self,
        backbone: str | Path | instdisc.Backbone = "resnet50",
        *,
        num_classes: int,
        contrast_weight: float = 0.5,
        temperature: float = 0.2,
        queue_size: int = 65536,
        momentum: float = 0.999,
        learning_rate: float = 0.03,
        batch_norm_groups: int = 8,
    ) -> None:
        backbone = open_backbone(backbone)
        loss: ContrastiveLoss = ExemplarLoss(temperature)
        objectives = {
            "classes": Classification(backbone.dim, num_classes),
            "exemplar": Contrast(
                backbone.dim,
                loss,
                queue_size=queue_size,
                momentum=momentum,
                weight=contrast_weight,
            ),
        }
        super().__init__(
            backbone,
            objectives,
            momentum=momentum,
            learning_rate=learning_rate,
            batch_norm_groups=batch_norm_groups,
        )
        self.save_hyperparameters(ignore=["backbone"])


if __name__ == "__main__":
    method = CrossEntropyExemplarModule(
        instdisc.Backbone("test_resnet"), num_classes=4, queue_size=64, batch_norm_groups=2
    )
    check_method(method)
    print("CrossEntropyExemplarModule keeps every promise of a method")
