"""Pictures reach every logger that can show them, by what each offers in public."""

import logging

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.loggers.logger import DummyLogger

from instdisc.loggers import as_pixels, log_picture

PICTURE = torch.rand(3, 6, 9, generator=torch.Generator().manual_seed(0))
PIXELS = (PICTURE * 255).round().byte().permute(1, 2, 0).numpy()


class Kept:
    """Keeps what it is called with."""

    def __init__(self):
        self.calls = []

    def keep(self, *arguments, **options):
        self.calls.append((arguments, options))


class Wandb(Kept):
    """Like WandbLogger."""

    def log_image(self, key, images, step=None, **options):
        assert isinstance(images, list)
        self.keep(key, *images, step=step, **options)


class Client(Kept):
    """Like mlflow's MlflowClient."""

    def log_image(self, run_id, image, artifact_file=None, *, key=None, step=None):
        self.keep(run_id, image, artifact_file)


class MLFlow:
    run_id = "run 7"

    def __init__(self):
        self.experiment = Client()


class CometExperiment(Kept):
    def log_image(self, image_data, name=None, overwrite=False, image_format="png", step=None):
        self.keep(image_data, name=name, step=step)


class Comet:
    def __init__(self):
        self.experiment = CometExperiment()


class Writer(Kept):
    def add_image(self, tag, img_tensor, global_step=None, walltime=None, dataformats="CHW"):
        self.keep(tag, img_tensor, global_step, dataformats)


class Board:
    def __init__(self):
        self.experiment = Writer()


def test_each_logger_gets_the_pixels_in_its_way(tmp_path):
    wandb, mlflow, comet, board = Wandb(), MLFlow(), Comet(), Board()
    csv = CSVLogger(tmp_path)
    assert log_picture([wandb, csv, mlflow, comet, board], "views", PICTURE, step=5) == 4
    ((key, pixels), options) = wandb.calls[0]
    assert (key, options) == ("views", {"step": 5})
    assert np.array_equal(pixels, PIXELS)
    ((run, pixels, file), _) = mlflow.experiment.calls[0]
    assert (run, file) == ("run 7", "views/00000005.png")
    assert np.array_equal(pixels, PIXELS)
    ((pixels,), options) = comet.experiment.calls[0]
    assert options == {"name": "views", "step": 5}
    assert np.array_equal(pixels, PIXELS)
    ((tag, image, step, form), _) = board.experiment.calls[0]
    assert (tag, step, form) == ("views", 5, "CHW")
    assert np.array_equal(image.permute(1, 2, 0).numpy(), PIXELS)
    assert all(len(logger.calls) == 1 for logger in (wandb, mlflow.experiment, comet.experiment))


def test_tensorboard_itself(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    assert log_picture([logger], "views", PICTURE, step=5) == 1
    logger.finalize("success")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path)).Reload()
    (image,) = events.Images("views")
    assert (image.step, image.height, image.width) == (5, 6, 9)


@pytest.mark.parametrize("logger", [CSVLogger("runs"), DummyLogger(), object()])
def test_others_are_passed_over(logger):
    log_picture([logger], "views", PICTURE, step=0)


def test_a_logger_that_fails_does_not_end_the_run(caplog):
    class Away:
        def log_image(self, key, images, step=None):
            raise ConnectionError("no network")

    board = Board()
    with caplog.at_level(logging.WARNING):
        assert log_picture([Away(), board], "views", PICTURE, step=0) == 1
    assert "the picture 'views' did not reach Away (ConnectionError: no network)" in caplog.text


def test_every_form_of_a_picture(tmp_path):
    assert np.array_equal(as_pixels(PICTURE), PIXELS)
    assert np.array_equal(as_pixels(PIXELS), PIXELS)
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert np.array_equal(as_pixels(tmp_path / "a.png"), PIXELS)
    figure = Figure(figsize=(2, 1), dpi=50, facecolor=(1, 0, 0))
    pixels = as_pixels(figure)
    assert pixels.shape == (50, 100, 3)
    assert pixels[0, 0].tolist() == [255, 0, 0]


def test_what_is_no_picture_is_refused():
    with pytest.raises(TypeError, match="`picture` must be a tensor, an array, .* got str"):
        log_picture([Wandb()], "views", "views.png", step=0)
