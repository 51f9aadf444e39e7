"""What published checkpoints hold beside the backbone: heads, momentum copies, queues, probes.

Names of top-level modules and buffers, one list per publisher. They are left aside when a backbone
is loaded; a name that is not listed is an error, so that nothing is dropped in silence.
"""

from __future__ import annotations

INSTDISC_MODULES = ("momentum_backbone", "objectives")

MOCO = ("encoder_k", "queue", "queue_ptr")

TRANSFER_BROAD = (
    *("feature_k", "feature_extractor", "moco"),  # copies of the backbone, with heads and queue
    *("classifier", "base_head", "linear_evaluator"),
)

SOLO_LEARN = (
    *("classifier", "projector", "predictor", "predictor2", "head", "prototypes"),
    *("momentum_backbone", "momentum_encoder", "momentum_classifier"),
    *("momentum_projector", "momentum_predictor", "momentum_head"),
    *("queue", "queue_ptr", "queue_y", "queue_index"),
    *("dino_loss_func", "transformer_encoder", "decoder", "mask_token"),
    *("decoder_embed", "decoder_pos_embed", "decoder_blocks", "decoder_norm", "decoder_pred"),
)

LIGHTLY = (
    *("projection_head", "projection_head_momentum"),
    *("projection_head_local", "projection_head_local_momentum"),
    *("projection_head_global", "projection_head_global_momentum", "local_projection_head"),
    *("prediction_head", "classification_head", "fc", "online_classifier", "knn_classifier"),
    *("criterion", "criterion_local", "criterion_global", "prototypes", "memory_bank"),
    *("backbone_momentum", "key_backbone", "key_projection_head"),
    *("query_backbone", "query_projection_head", "anchor_backbone", "anchor_projection_head"),
    *("student_backbone", "student_projection_head", "student_prediction_head", "student_head"),
    *("teacher_backbone", "teacher_projection_head", "teacher_head"),
)
