"""The picture of the views."""

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning import Trainer
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torchvision.transforms.v2.functional import normalize

from instdisc.callbacks import ViewPictures
from instdisc.data import Scenes, ViewData
from instdisc.data.views.dataset import IMAGENET_MEAN, IMAGENET_STD
from instdisc.methods import MoCoModule
from instdisc.models import Backbone


def test_grid_undoes_the_normalisation():
    colours = torch.rand(2, 5, 3, 8, 8)
    views = [normalize(view, IMAGENET_MEAN, IMAGENET_STD) for view in colours]
    grid = ViewPictures(3).picture(views)
    assert grid.shape == (3, 3 * 9 + 1, 2 * 9 + 1)  # a row per image, one pixel between
    for row in range(3):
        for view in range(2):
            top, left = 1 + 9 * row, 1 + 9 * view
            found = grid[:, top : top + 8, left : left + 8]
            torch.testing.assert_close(found, colours[view, row], atol=1e-6, rtol=0)


def test_other_normalisations_and_few_images():
    views = [torch.full((2, 3, 4, 4), 1.0).bfloat16()]
    grid = ViewPictures(mean=(0.5,) * 3, std=(0.25,) * 3).picture(views)
    assert grid.shape == (3, 11, 6)
    assert grid[:, 1:5, 1:5].eq(0.75).all()
    assert ViewPictures(mean=(9.0,) * 3).picture(views).max() == 1  # clipped


def test_small_views_stand_at_the_upper_left_of_their_place():
    views = [torch.full((2, 3, side, side), 9.0) for side in (8, 8, 3)]  # brighter than white
    grid = ViewPictures().picture(views)
    assert grid.shape == (3, 2 * 9 + 1, 3 * 9 + 1)
    for top in (1, 10):
        assert grid[:, top : top + 8, 10:18].eq(1).all()
        place = grid[0, top : top + 8, 19:27]
        assert place[:3, :3].eq(1).all()
        assert place.sum() == 9


def fit(logger, folder):
    trainer = Trainer(
        max_epochs=1,
        callbacks=[ViewPictures(3)],
        logger=logger,
        default_root_dir=folder,
        accelerator="cpu",
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    images = Scenes(8, image_size=32)
    data = ViewData(images, images, image_size=32, policy="zhao_f", batch_size=4)
    module = MoCoModule(Backbone("test_resnet"), queue_size=16, batch_norm_groups=1)
    trainer.fit(module, datamodule=data)
    return data


def test_picture_of_the_first_batch_goes_into_the_runs_folder(tmp_path):
    data = fit(CSVLogger(tmp_path, name="run", version="a"), tmp_path)
    with Image.open(tmp_path / "run" / "a" / "views.png") as picture:
        pixels = np.array(picture)
    assert pixels.shape == (3 * 33 + 1, 2 * 33 + 1, 3)
    raw = next(iter(data.train_dataloader()))  # the first epoch again
    for view in range(2):
        left = 1 + 33 * view
        found = pixels[1:33, left : left + 32].astype(int)
        expected = raw.views[view][0].permute(1, 2, 0).int().numpy()
        assert np.abs(found - expected).max() <= 1


def test_without_a_logger_it_goes_into_the_root_folder(tmp_path):
    fit(False, tmp_path / "new")
    assert (tmp_path / "new" / "views.png").is_file()


def test_tensorboard_gets_it_too(tmp_path, monkeypatch):
    logger = TensorBoardLogger(tmp_path, name="run", version="a")
    shown = []
    monkeypatch.setattr(
        logger.experiment,
        "add_image",
        lambda name, picture, step: shown.append((name, picture.shape, step)),
    )
    fit(logger, tmp_path)
    assert shown == [("views", (3, 100, 67), 0)]


def test_other_processes_take_part_in_the_exchange_of_the_folder(tmp_path):
    class Second:
        is_global_zero = False
        default_root_dir = str(tmp_path)
        asked = 0

        @property
        def log_dir(self):  # Lightning broadcasts here: all processes must ask
            self.asked += 1
            return str(tmp_path / "run")

    trainer, pictures = Second(), ViewPictures()
    for index in range(2):
        pictures.on_train_batch_start(trainer, None, ([torch.zeros(2, 3, 4, 4)], None), index)
    assert trainer.asked == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_images": 0}, ValueError, "`num_images` must be a whole number of at least 1, got 0"),
        ({"num_images": 2.0}, TypeError, "`num_images` must be a whole number, got 2.0"),
        ({"mean": (0.5,)}, ValueError, r"`mean` must be three numbers, one per channel, got \(0.5"),
        ({"mean": 0.5}, TypeError, "`mean` must be a sequence of numbers, got 0.5"),
        ({"mean": "abc"}, TypeError, "`mean` must be a sequence of numbers, got 'abc'"),
        (
            {"mean": (0.5, float("nan"), 0.5)},
            ValueError,
            "`mean.1.` must be a finite number, got nan",
        ),
        ({"std": (0.5, 0.0, 0.5)}, ValueError, "`std.1.` must be a finite number above 0, got 0.0"),
        ({"std": (0.5,) * 4}, ValueError, "`std` must be three numbers"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        ViewPictures(**options)
