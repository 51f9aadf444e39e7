"""Every method through the public battery, and what distinguishes each."""

import math

import pytest
import pytorch_lightning as pl
import torch

import instdisc
from instdisc.losses import (
    ExemplarLoss,
    InstanceDiscriminationLoss,
    SameClassNegativesLoss,
    SupConLoss,
)
from instdisc.testing import check_method, check_two_processes
from instdisc.testing.runs import fit, make_batches
from instdisc.types import Views

SMALL = {"queue_size": 40, "batch_norm_groups": 2}
CLASSES = {"num_classes": 4}
IMAGES = {"num_images": 32, "batch_norm_groups": 2}


def methods(backbone="test_resnet"):
    def make():
        return instdisc.Backbone(backbone, **({"img_size": 32} if "vit" in backbone else {}))

    return {
        "moco": instdisc.MoCoModule(make(), **SMALL),
        "moco_v1": instdisc.MoCoModule(make(), version="v1", **SMALL),
        "supervised": instdisc.SupervisedModule(
            make(), batch_norm="shuffled", batch_norm_groups=2, **CLASSES
        ),
        "supervised_two": instdisc.SupervisedModule(
            make(), both_views=True, batch_norm="shuffled", batch_norm_groups=2, **CLASSES
        ),
        "exemplar": instdisc.ExemplarModule(make(), **SMALL),
        "supcon": instdisc.SupConModule(make(), reference_batch=None, **SMALL),
        "instdisc": instdisc.InstDiscModule(
            make(), num_negatives=None, batch_norm="shuffled", **IMAGES
        ),
        "instdisc_nce": instdisc.InstDiscModule(
            make(),
            num_negatives=20,
            estimator="nce",
            bank_in_host_memory=True,
            batch_norm="shuffled",
            **IMAGES,
        ),
        "ce_moco": instdisc.CrossEntropyMoCoModule(
            make(), both_views=True, reference_batch=None, **CLASSES, **SMALL
        ),
        "ce_moco_same": instdisc.CrossEntropyMoCoModule(
            make(), negatives="same_class", reference_batch=None, **CLASSES, **SMALL
        ),
        "ce_supcon": instdisc.CrossEntropySupConModule(
            make(), reference_batch=None, **CLASSES, **SMALL
        ),
        "supcon_moco": instdisc.SupConMoCoModule(make(), reference_batch=None, **SMALL),
        "simclr": instdisc.SimCLRModule(make()),
        "in_batch_supcon": instdisc.InBatchSupConModule(make()),
        "in_batch_exemplar": instdisc.InBatchExemplarModule(make()),
        "nnclr": instdisc.NNCLRModule(
            make(), queue_size=40, hidden_dim=16, projection_dim=8, predictor_dim=16
        ),
        "barlow_twins": instdisc.BarlowTwinsModule(make(), hidden_dim=16, projection_dim=8),
        "vicreg": instdisc.VICRegModule(make(), hidden_dim=16, projection_dim=8),
        "byol": instdisc.BYOLModule(make(), hidden_dim=16, projection_dim=8),
        "dino": instdisc.DINOModule(
            make(), num_views=3, hidden_dim=16, projection_dim=8, num_prototypes=12
        ),
        "moco_v3": instdisc.MoCoV3Module(make(), hidden_dim=16, projection_dim=8),
        "simsiam": instdisc.SimSiamModule(make(), projection_dim=16, bottleneck_dim=8),
    }


@pytest.mark.parametrize("name", methods())
def test_battery(name):
    check_method(methods()[name], two_processes=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        instdisc.MoCoModule,
        instdisc.ExemplarModule,
        instdisc.SupConModule,
        instdisc.SupervisedModule,
        instdisc.CrossEntropyMoCoModule,
        instdisc.CrossEntropySupConModule,
        instdisc.SupConMoCoModule,
    ],
)
def test_battery_with_the_defaults(method):
    check_method(method("test_resnet"), two_processes=False)


@pytest.mark.parametrize("name", ["moco", "supcon_moco", "moco_v3"])
def test_battery_with_a_vit(name):
    check_method(methods("test_vit")[name], two_processes=False)


def test_two_processes_equal_one():
    synced = instdisc.MoCoModule("test_resnet", batch_norm="sync", queue_size=40)
    check_two_processes([*methods().values(), synced], make_batches(2, 8, 32, num_views=3))


@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("moco", [InstanceDiscriminationLoss]),
        ("exemplar", [ExemplarLoss]),
        ("supcon", [SupConLoss]),
        ("ce_moco", [InstanceDiscriminationLoss]),
        ("ce_moco_same", [SameClassNegativesLoss]),
        ("supcon_moco", [InstanceDiscriminationLoss, SupConLoss]),
        ("simclr", [InstanceDiscriminationLoss]),
        ("in_batch_supcon", [SupConLoss]),
        ("in_batch_exemplar", [ExemplarLoss]),
    ],
)
def test_each_method_has_its_losses(name, losses):
    objectives = methods()[name].objectives.values()
    assert [type(o.loss) for o in objectives if hasattr(o, "loss")] == losses


def test_papers_defaults():
    moco = instdisc.MoCoModule("test_resnet", queue_size=64).hparams
    assert (moco.temperature, moco.projector, moco.schedule) == (0.2, "mlp", "cosine")
    assert (moco.learning_rate, moco.weight_decay, moco.momentum) == (0.03, 1e-4, 0.999)
    v1 = instdisc.ExemplarModule("test_resnet", version="v1", queue_size=64).hparams
    assert (v1.temperature, v1.projector, v1.schedule) == (0.07, "linear", "step")
    supcon = instdisc.SupConModule("test_resnet", queue_size=64).hparams
    assert (supcon.temperature, supcon.learning_rate, supcon.reference_batch) == (0.07, 0.02, 64)


def test_two_terms_have_their_own_heads_and_queues():
    module = methods()["supcon_moco"]
    first, second = module.objectives["contrast"], module.objectives["supcon"]
    assert first.projector is not second.projector
    assert first.queue is not second.queue
    assert (first.weight, second.weight) == (0.5, 1.0)


def test_joint_loss_is_the_weighted_sum():
    module = methods()["ce_moco"]
    queries = {view: torch.randn(4, module.backbone.dim) for view in range(2)}
    keys = {1: torch.randn(4, module.backbone.dim)}
    labels = torch.arange(4)
    terms = {n: o(queries, keys, labels) for n, o in module.objectives.items()}
    total = sum(module.objectives[n].weight * term for n, term in terms.items())
    expected = terms["classes"] + 0.5 * terms["contrast"]
    torch.testing.assert_close(total, expected)


def test_supcon_finds_its_own_key_in_the_queue():
    """Enqueued first: with all labels different the loss is InfoNCE over the rest of the queue."""
    module = methods()["supcon"]
    supcon = module.objectives["supcon"]
    features, key = torch.randn(2, 4, module.backbone.dim).unbind()
    value = supcon({0: features}, {1: key}, torch.arange(4))
    query, projected = supcon.projector(features), supcon.momentum_projector(key)
    bank = supcon.queue.bank()
    assert torch.equal(bank.features[:4], projected)
    others = (query @ bank.features.T / 0.07).logsumexp(1)
    own = (query * projected).sum(1) / 0.07
    torch.testing.assert_close(value, (others - own).mean())


class TestBatchNorm:
    def test_query_and_key_share_no_statistics(self):
        """A key's group holds other images than its query's, unless it is one group."""
        module = methods()["moco"]
        seen = []
        module.momentum_backbone.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        batches = make_batches(1, 8, 32)
        fit(module, batches)
        original = batches[0].images[1]
        assert not torch.equal(seen[0], original)
        assert torch.equal(seen[0].sum((1, 2, 3)).sort().values.round(decimals=2),
                           original.sum((1, 2, 3)).sort().values.round(decimals=2))  # fmt: skip

    def test_plain_leaves_the_keys_in_place(self):
        module = instdisc.MoCoModule("test_resnet", queue_size=40, batch_norm="plain")
        seen = []
        module.momentum_backbone.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
        batches = make_batches(1, 8, 32)
        fit(module, batches)
        assert torch.equal(seen[0], batches[0].images[1])

    def test_unshuffled_keys_match_their_images(self):
        """With a momentum encoder that computes means, every key comes back to its row."""
        module = methods()["moco"]
        module.momentum_backbone = _Means()
        seen = []
        module.objectives["contrast"].register_forward_pre_hook(lambda _, x: seen.append(x[1]))
        batch = make_batches(1, 8, 32)[0]
        fit(module, [batch])
        torch.testing.assert_close(seen[0][1][:, 0], batch.images[1].mean((1, 2, 3)))


class _Means(torch.nn.Module):
    def forward(self, images):
        return images.mean((1, 2, 3))[:, None].expand(-1, 96)

    def update(self, encoder):
        pass


def test_channels_last_gives_the_same_loss():
    losses = []
    for channels_last in (False, True):
        torch.manual_seed(0)
        module = instdisc.MoCoModule("test_resnet", channels_last=channels_last, **SMALL)
        trainer = fit(module, make_batches(2, 8, 32))
        losses.append(trainer.callback_metrics["loss"])
    torch.testing.assert_close(*losses, atol=1e-3, rtol=1e-3)


no_val_loader = pytest.mark.filterwarnings("ignore:You defined a `validation_step`")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lars"])
def test_optimizers_train(optimizer):
    module = instdisc.SupervisedModule("test_resnet", optimizer=optimizer, **CLASSES)
    before = module.objectives["classes"].classifier.weight.clone()
    fit(module, make_batches(2, 8, 32))
    assert not torch.equal(before, module.objectives["classes"].classifier.weight)
    decays = {g["weight_decay"] for g in module.optimizers().param_groups}
    assert decays == {1e-4}  # on all parameters, as in both papers


@no_val_loader
def test_rate_is_scaled_by_the_global_batch_only_when_asked():
    loader = torch.utils.data.DataLoader(
        [(torch.randn(2, 3, 32, 32), i % 4) for i in range(16)],
        batch_size=8,
        collate_fn=lambda rows: Views(
            list(torch.stack([images for images, _ in rows], 1)),
            torch.tensor([label for _, label in rows]),
            torch.arange(len(rows)),
        ),
    )
    for reference, expected in ((None, 0.02), (64, 0.02 * 16 / 64)):
        module = instdisc.SupervisedModule(
            "test_resnet",
            learning_rate=0.02,
            schedule="constant",
            reference_batch=reference,
            **CLASSES,
        )
        trainer = _fit_loader(module, loader)
        assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(expected)


def _fit_loader(module, loader):
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=2,
        log_every_n_steps=1,
        limit_val_batches=0,
    )
    trainer.fit(module, loader)
    return trainer


@no_val_loader
def test_lightlys_loader_is_a_loader_of_views():
    from lightly.data import LightlyDataset
    from lightly.transforms import MoCoV2Transform
    from torchvision.datasets import FakeData

    images = FakeData(8, image_size=(3, 40, 40), num_classes=4)
    transform = MoCoV2Transform(input_size=32)
    dataset = LightlyDataset.from_torch_dataset(images, transform=transform)
    loader = torch.utils.data.DataLoader(dataset, batch_size=8)
    module = methods()["exemplar"]
    _fit_loader(module, loader)
    assert int(module.objectives["contrast"].queue.pushed) == 8


def test_bad_arguments():
    make = instdisc.MoCoModule
    for arguments, match in [
        ({"version": "v3"}, "`version` must be one of 'v1', 'v2', got 'v3'"),
        ({"temperature": 0.0}, "`temperature` must be a finite number above 0, got 0.0"),
        ({"optimizer": "rmsprop"}, "`optimizer` must be one of 'sgd', 'lars', 'adamw'"),
        ({"learning_rate": 0.0}, "`learning_rate` must be a finite number above 0"),
        ({"reference_batch": 0}, "`reference_batch` must be a whole number of at least 1"),
        ({"schedule": "linear"}, "`schedule` must be one of 'cosine', 'step', 'constant', None"),
        ({"warmup": 5}, r"`warmup` is a share of the run and must lie in \[0, 1\), got 5"),
        ({"milestones": (120, 160)}, "`milestones` are shares of the run"),
        ({"batch_norm": "none"}, "`batch_norm` must be one of 'shuffled', 'plain', 'sync'"),
        ({"batch_norm_groups": 0}, "`batch_norm_groups` must be a whole number of at least 1"),
        ({"momentum": 1.0}, "`momentum` must be a finite number of at least 0 and below 1"),
    ]:
        with pytest.raises(ValueError, match=match):
            make("test_resnet", queue_size=8, **arguments)
    with pytest.raises(ValueError, match="`objectives` must name at least one objective"):
        instdisc.PretrainModule("test_resnet", {})
    with pytest.raises(
        ValueError, match="`num_classes` must be a whole number of at least 2, got 1"
    ):
        instdisc.SupervisedModule("test_resnet", num_classes=1)
    with pytest.raises(ValueError, match="`negatives` must be one of 'all', 'same_class'"):
        instdisc.CrossEntropyMoCoModule("test_resnet", negatives="some", queue_size=8)
    with pytest.raises(ValueError, match="`contrast_weight` must be a finite number of at least 0"):
        instdisc.CrossEntropyMoCoModule("test_resnet", contrast_weight=-1, queue_size=8)


def test_bad_batches():
    batches = make_batches(1, 8, 32)
    with pytest.raises(ValueError, match="`queue_size`=4 is smaller than the global batch of 8"):
        fit(instdisc.MoCoModule("test_resnet", queue_size=4), batches)
    images, labels, indices = batches[0]
    module = instdisc.SupervisedModule("test_resnet", num_classes=2)
    with pytest.raises(ValueError, match="label 3 is outside `num_classes`=2"):
        fit(module, [Views(images, torch.full_like(labels, 3), indices)])
    with pytest.raises(ValueError, match="needs a class for every image, but 8 of 8 `labels`"):
        fit(methods()["exemplar"], [Views(images, torch.full_like(labels, -1), indices)])
    with pytest.raises(ValueError, match="needs 2 views of each image, got 1"):
        fit(methods()["moco"], [Views(images[:1], labels, indices)])
    with pytest.raises(
        TypeError, match=r"a batch must be .sequence of views, labels, ...., got one tensor .8, 3,"
    ):
        fit(methods()["moco"], [(images[0], labels)])
    with pytest.raises(ValueError, match="cannot be normalised in 8 equal groups"):
        fit(instdisc.MoCoModule("test_resnet", queue_size=40), make_batches(1, 12, 32))


def test_loss_that_is_not_finite_stops_and_names_the_step(tmp_path):
    from pytorch_lightning.callbacks import ModelCheckpoint

    batches = make_batches(4, 8, 32)
    batches[2] = batches[2]._replace(images=[v * math.nan for v in batches[2].images])
    keep = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_last=True)
    with pytest.raises(FloatingPointError, match=r"not finite at step 2\. .*last good.*last"):
        fit(methods()["moco"], batches, keep, enable_checkpointing=True)
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert last["global_step"] == 2
    assert all(torch.isfinite(t).all() for t in last["state_dict"].values())


def test_checkpoint_says_how_it_was_made(tmp_path):
    module = methods()["ce_moco"]
    trainer = fit(module, make_batches(1, 8, 32))
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    made = torch.load(tmp_path / "run.ckpt", weights_only=True)["instdisc"]
    assert made["method"] == "CrossEntropyMoCoModule"
    assert made["backbone"] == {"name": "test_resnet", "stem": "imagenet"}
    assert made["recipe"]["contrast_weight"] == 0.5
    assert made["version"] == instdisc.__version__
