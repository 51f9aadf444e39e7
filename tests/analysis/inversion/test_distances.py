import logging
import math
from pathlib import Path

import pytest
import torch
import torchmetrics
import torchvision

from instdisc.analysis.inversion import image_distances, perceptual_distance
from instdisc.data import left_out


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 64, 64, generator=generator), torch.rand(
        2, 3, 64, 64, generator=generator
    )


@pytest.fixture
def unsaid(monkeypatch):
    monkeypatch.setattr(left_out, "_said", set())


@pytest.fixture
def alexnet(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = torchvision.models.alexnet(weights=None).eval()
    net.classifier = torch.nn.Sequential()  # smaller files, and LPIPS does not look at it
    path = tmp_path / "alexnet.pth"
    torch.save(net.state_dict(), path)
    return net, path


def test_of_equal_images(pair):
    same = image_distances(pair[0], pair[0], ["ssim", "psnr"])
    assert same["ssim"].tolist() == pytest.approx([1, 1])
    assert same["psnr"].tolist() == [math.inf, math.inf]


def test_psnr_in_closed_form():
    values = image_distances(torch.zeros(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.1), ["psnr"])
    assert values["psnr"].tolist() == pytest.approx([20, 20])


def test_each_image_for_itself(pair):
    together = image_distances(*pair, ["ssim", "psnr"])
    for row in range(2):
        alone = image_distances(*(images[row : row + 1] for images in pair), ["ssim", "psnr"])
        for name, value in alone.items():
            assert float(value[0]) == pytest.approx(float(together[name][row]), rel=1e-5)


def test_ms_ssim_of_small_images_is_left_out_and_said_once(pair, unsaid, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert list(image_distances(*pair, ["ssim", "ms_ssim"])) == ["ssim"]
    assert caplog.messages == [
        "MS-SSIM is left out: it needs images of at least 176 px a side, these are of 64 x 64"
    ]


def test_ms_ssim_of_the_smallest():
    images = torch.rand(1, 3, 176, 176, generator=torch.Generator().manual_seed(0))
    assert float(image_distances(images, images, ["ms_ssim"])["ms_ssim"]) == pytest.approx(1)


def naive_lpips(net, images, others):
    """Layer by layer from the paper's formula."""
    file = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/alex.pth"
    heads = torch.load(file, map_location="cpu", weights_only=True)
    shift = torch.tensor([-0.030, -0.088, -0.188])[None, :, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[None, :, None, None]
    x, y = ((2 * side - 1 - shift) / scale for side in (images, others))
    total = torch.zeros(len(images))
    layer = 0
    for module in net.features:
        x, y = module(x.clone()), module(y.clone())
        if isinstance(module, torch.nn.ReLU):
            units = [side / side.square().sum(1, keepdim=True).add(1e-8).sqrt() for side in (x, y)]
            weights = heads[f"lin{layer}.model.1.weight"][0]  # (C, 1, 1)
            total += ((units[0] - units[1]).square() * weights).sum(1).mean((1, 2))
            layer += 1
    assert layer == 5
    return total


def test_lpips_by_the_formula(pair, alexnet, unsaid):
    net, path = alexnet
    with torch.no_grad():
        expected = naive_lpips(net, *pair)
    values = perceptual_distance(*pair, "alex", weights=path)
    torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-6)
    assert perceptual_distance(pair[0], pair[0], "alex", weights=path).tolist() == [0, 0]
    named = image_distances(*pair, ["lpips_alex"], lpips_weights={"alex": path})
    torch.testing.assert_close(named["lpips_alex"].float(), values)


def test_lpips_finds_weights_in_torchs_cache(pair, alexnet, monkeypatch, tmp_path, unsaid, caplog):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    cached = tmp_path / "hub/checkpoints/alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    alexnet[1].rename(cached)
    state = torch.random.get_rng_state()
    with caplog.at_level(logging.WARNING):
        assert bool((perceptual_distance(*pair) > 0).all())
    assert torch.equal(state, torch.random.get_rng_state())
    # They are not torchvision's: the hash in the name says so.
    assert "holds other weights of AlexNet than torchvision's" in caplog.text


def test_lpips_without_weights_names_the_file(pair, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *a, **k: pytest.fail("net"))
    with pytest.raises(FileNotFoundError, match=r"VGG-16 .*/checkpoints/vgg16-397923af.pth"):
        perceptual_distance(*pair, "vgg")
    with pytest.raises(FileNotFoundError, match=r"`lpips_weights`: .* looked for at nowhere.pth"):
        image_distances(*pair, ["lpips_squeeze"], lpips_weights={"squeeze": "nowhere.pth"})


def test_lpips_refuses_weights_of_another_network(pair, alexnet, tmp_path):
    with pytest.raises(ValueError, match="weights of VGG-16, got those of AlexNet"):
        perceptual_distance(*pair, "vgg", weights=alexnet[1])
    other = tmp_path / "other.pth"
    torch.save({"features.0.weight": torch.zeros(2)}, other)
    with pytest.raises(ValueError, match="weights of SqueezeNet, got those of another network"):
        perceptual_distance(*pair, "squeeze", weights=other)
    other.write_text("nothing")
    with pytest.raises(ValueError, match="holds none or is damaged"):
        perceptual_distance(*pair, "squeeze", weights=other)


def test_refuses(pair):
    with pytest.raises(ValueError, match="`distances` must be one of 'ssim'"):
        image_distances(*pair, ["lpips"])
    with pytest.raises(ValueError, match="`distances` must be a list of at least one"):
        image_distances(*pair, [])
    with pytest.raises(ValueError, match="`images` must be a finite number of at least 0"):
        image_distances(pair[0] - 1, pair[1])
    with pytest.raises(ValueError, match=r"`others` must be a tensor \(2, 3, 64, 64\)"):
        image_distances(pair[0], pair[1][:1])
    with pytest.raises(ValueError, match="at least 11 px a side for SSIM"):
        image_distances(torch.zeros(1, 3, 10, 10), torch.zeros(1, 3, 10, 10), ["ssim"])
    with pytest.raises(ValueError, match="at least 32 px a side for LPIPS"):
        perceptual_distance(torch.zeros(1, 3, 31, 64), torch.zeros(1, 3, 31, 64))
