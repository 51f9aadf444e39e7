"""The C compiler's part: what it makes, keeps, and says where it can't."""

import os
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
import torch

from instdisc.data import Draws, Scenes, ViewDataset, ViewFinisher, view_policy
from instdisc.data.views.cpu import PieceFinisher
from instdisc.data.views.native import building, library
from instdisc.data.views.native.finisher import NativeFinisher

pytestmark = pytest.mark.skipif(not building._compiler(), reason="needs a C compiler")
SOURCE = Path(library.__file__).with_name("colours.c")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "library", library.library.__wrapped__)
    return tmp_path / "cache" / "instdisc" / "native"


def forbid_compilers(monkeypatch):
    def run(*arguments, **options):
        raise AssertionError("compiled again")

    monkeypatch.setattr(subprocess, "run", run)


def finished():
    policy = view_policy("moco_v2", 24)
    numbers = policy.draw(Draws(0, 0, range(30), 0)).photometric
    views = torch.arange(30 * 3 * 24 * 24).mul(7919).remainder(256).byte().view(30, 3, 24, 24)
    return NativeFinisher(policy, torch.float32, lambda step: step.apply)(views, numbers)


def test_without_any_warning_of_the_compiler():
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-O2", "-fsyntax-only"]
    subprocess.run([*building._compiler(), *flags, str(SOURCE)], check=True)


def test_it_is_made_once_and_kept(cache, monkeypatch):
    first = building.load_compiled(SOURCE)
    (kept,) = cache.glob("*/colours.so")
    assert [file.name for file in kept.parent.iterdir()] == ["colours.so"]
    forbid_compilers(monkeypatch)
    monkeypatch.setenv("PATH", "")  # on a machine without a compiler, too
    assert building.load_compiled(SOURCE)._name == first._name == str(kept)


def test_other_options_make_another(cache, monkeypatch):
    building.load_compiled(SOURCE)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    building.load_compiled(SOURCE)
    assert len(list(cache.glob("*/colours.so"))) == 2


def test_views_do_not_depend_on_the_vectors(cache, monkeypatch):
    widest = finished()
    narrower = {"AVX512": ("AVX2", "DEFAULT"), "AVX2": ("DEFAULT",)}
    capabilities = narrower.get(torch.backends.cpu.get_cpu_capability(), ())
    for capability in capabilities:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)  # noqa: B023
        assert torch.equal(finished(), widest)
    assert len(list(cache.glob("*/colours.so"))) == 1 + len(capabilities)


def test_a_damaged_library_is_made_again(cache, monkeypatch, tmp_path):
    building.load_compiled(SOURCE)
    (made,) = cache.glob("*/colours.so")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    damaged = tmp_path / "other" / made.relative_to(tmp_path / "cache")
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"nothing")
    assert building.load_compiled(SOURCE)._name == str(damaged)
    assert damaged.read_bytes() == made.read_bytes()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_can_not_be_written_to(cache):
    cache.parent.mkdir(parents=True, mode=0o500)
    assert building.load_compiled(SOURCE) is not None


def test_a_file_in_place_of_the_folder(cache):
    cache.parent.mkdir(parents=True)
    cache.write_text("")
    loaded = building.load_compiled(SOURCE)
    assert Path(loaded._name).name == "colours.so"
    assert "instdisc_native_" in loaded._name


NO_COMPILER = [
    ("none_of_that_name", "there is no C compiler: install gcc or clang, or name one in CC"),
    (shutil.which("false") or "false", "false failed"),
]


@pytest.mark.parametrize(("compiler", "message"), NO_COMPILER)
@pytest.mark.parametrize("compile", [True, None])
def test_without_a_compiler_views_are_the_same(compiler, message, compile, cache, monkeypatch):
    monkeypatch.setenv("CC", compiler)
    policies = [view_policy("moco_v2", 24)]
    raw = ViewDataset(Scenes(9, image_size=48), policies).batch([(0, i) for i in range(9)])
    finish = ViewFinisher(policies, compile=compile)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        (images,) = finish(raw).images
    assert len(said) == int(bool(compile))
    for warning in said:
        assert "views are finished without compiled loops" in str(warning.message)
        assert message in str(warning.message)
    assert isinstance(finish._on_cpu[policies[0]], PieceFinisher)
    assert torch.equal(images, ViewFinisher(policies)(raw).images[0])
    assert not list(cache.glob("*/*"))


def test_a_compiler_with_options_of_ones_own(cache, monkeypatch):
    monkeypatch.setenv("CC", f"{building._compiler()[0]} -g0")
    assert building.load_compiled(SOURCE) is not None
