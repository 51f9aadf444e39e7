"""Look inside checkpoints: what each stage knows and throws away, where detectors err, and why.

    python examples/analyse.py --checkpoint runs/moco/checkpoints/backbone.safetensors \
        --checkpoint supervised=runs/supervised/checkpoints/backbone.safetensors \
        --checkpoint random --data-root data --data eurosat flowers17 scenes \
        --analyses cka geometry factors inversion

Results go to OUT/results.jsonl at once, their arrays to OUT/predictions, and every figure to
OUT/figures. Run the same command again to go on after a stop, or with more of everything: what
stands there is not computed again, unless what it depends on has changed. What is not there or
fails is skipped and said, and the exit status is 1, unless --allow-missing. Settings of an
analysis: --set inversion.steps=500 cka.num_images=2000. `scenes` are the built-in images, whose
every factor is known. With --transfer, the results of transfer.py for the same checkpoints, it also
tells which of the numbers goes with transfer.
"""
