"""Few-shot accuracy of backbones on labelled images.

    python examples/few_shot.py --data-root data --images eurosat --shots 1 5 20 \
        --checkpoint runs/moco/backbone.safetensors \
        --checkpoint runs/exemplar/backbone.safetensors
    python examples/few_shot.py --checkpoint a.safetensors --images data/eurosat --protocol bscd_fsl

``--images`` is a name of the catalog, a folder or a table, as in transfer.py. All backbones see the
same episodes. The list is written to OUT/episodes.npz and taken from there the next time; give it
to others with your numbers. One JSON line per result goes to OUT/results.jsonl.
"""

import argparse
from functools import partial
from pathlib import Path

import rich
import torch
from rich.progress import Progress

from instdisc.checkpoint import open_backbone
from instdisc.data import (
    BSCD_FSL_EPISODES,
    ISLAM_EPISODES,
    Episodes,
    ImageSource,
    draw_episodes,
    open_images,
)
from instdisc.report import append_records, results_table
from instdisc.transfer import (
    evaluate_few_shot,
    extract_features,
    finetune_few_shot,
    islam_test_policy,
)
from instdisc.types import About, Record

PROTOCOLS = {"islam": ISLAM_EPISODES, "bscd_fsl": BSCD_FSL_EPISODES}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; the protocol fills in what is not given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", action="append", required=True, type=Path)
    parser.add_argument("--images", required=True, help="name of the catalog, folder or .csv")
    parser.add_argument("--data-root", type=Path, default=Path())
    parser.add_argument("--protocol", default="islam", choices=list(PROTOCOLS))
    parser.add_argument("--shots", nargs="+", type=int, help="default: those of the protocol")
    parser.add_argument("--ways", type=int)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--episodes", type=int)
    parser.add_argument(
        "--classifiers",
        nargs="+",
        default=["logistic"],
        choices=["logistic", "euclidean", "cosine", "finetune"],
        help="finetune trains the backbone on each episode: slow",
    )
    parser.add_argument("--image-size", type=int, help="default: that of the backbone")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the episodes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, default=Path("runs/few_shot"))
    options = parser.parse_args(arguments)
    for name, value in PROTOCOLS[options.protocol]._asdict().items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def fixed_list(images: ImageSource, options: argparse.Namespace) -> Episodes:
    """The stored episodes, or new ones, which are stored."""
    path = options.out / "episodes.npz"
    if path.exists():
        stored = Episodes.load(path)
        if (len(stored.support), stored.seed) != (options.episodes, options.seed):
            raise ValueError(
                f"{path} holds {len(stored.support)} episodes of seed {stored.seed}: give these "
                "as --episodes and --seed, or another --out"
            )
        return stored
    drawn = draw_episodes(
        images.labels,
        ways=options.ways,
        shots=max(options.shots),
        queries=options.queries,
        episodes=options.episodes,
        seed=options.seed,
        classes=images.classes,
    )
    drawn.save(path)
    return drawn


def show(bar: Progress, done: int, total: int) -> None:
    """Episodes done."""
    bar.update(bar.task_ids[0], completed=done, total=total)


def main(arguments: list[str] | None = None) -> list[Record]:
    """Evaluates every checkpoint and prints the table."""
    options = parse_arguments(arguments)
    images = open_images(options.images, options.data_root, part="all")
    episodes = fixed_list(images, options)
    records = []
    for path in options.checkpoint:
        backbone = open_backbone(path)
        # The folder tells backbones apart that have the same file name.
        about = {
            "about": About(f"{path.parent.name}/{path.stem}"),
            "seed": options.seed,
            "shots": options.shots,
            "ways": options.ways,
            "queries": options.queries,
            "episodes": episodes,
            "device": options.device,
        }
        found: list[Record] = []
        frozen = [name for name in options.classifiers if name != "finetune"]
        if frozen:
            features = extract_features(
                backbone,
                images,
                policy=islam_test_policy(options.image_size, seen=backbone.input),
                batch_size=options.batch_size,
                num_workers=options.workers,
                device=options.device,
            )
            for name in frozen:
                found += evaluate_few_shot(features, classifier=name, **about)
        if "finetune" in options.classifiers:
            with Progress() as bar:
                bar.add_task(f"fine-tuning {path.parent.name}/{path.stem}", total=None)
                found += finetune_few_shot(
                    backbone,
                    images,
                    image_size=options.image_size,
                    progress=partial(show, bar),
                    **about,
                )
        append_records(found, options.out / "results.jsonl")
        records += found
    table = results_table(records, rows="results", title=f"{len(episodes.support)} episodes")
    rich.print(table)
    return records


if __name__ == "__main__":
    main()
