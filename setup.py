"""The package: what it is, what it needs, where its version stands."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$', (ROOT / "instdisc" / "version.py").read_text(), re.MULTILINE
)
assert VERSION is not None, "instdisc/version.py has no line of the form __version__ = ..."

# What a suite may run on, and what images may lie in: asked for by who uses it.
EXTRAS = {
    "executors": ["dask[distributed]>=2025.1", "submitit>=1.5"],
    "sources": ["datasets>=3.2", "pyarrow>=18", "lmdb>=1.5", "fsspec[http]"],
}

setup(
    name="instdisc",
    version=VERSION.group(1),
    description="Pretrain a visual representation, and know what it is worth in transfer",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="instdisc contributors",
    license="MIT",
    license_files=["LICENSE"],
    packages=find_packages(include=["instdisc", "instdisc.*"]),
    package_data={
        "instdisc": ["py.typed", "__init__.pyi"],
        "instdisc.cli.recipes": ["**/*.yaml"],
        "instdisc.data.catalog": ["*.txt"],
        "instdisc.data.views.native": ["*.c"],
        "instdisc.report": ["published.json", "*.md.jinja"],
        "instdisc.report.page": ["*.html", "*.css", "*.js"],
        "instdisc.study": ["*.yaml", "presets/*.yaml"],
    },
    entry_points={"console_scripts": ["instdisc = instdisc.cli:main"]},
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.11",
        "torchvision>=0.26",
        "pytorch-lightning>=2.6,<3",
        "timm>=1.0.15",
        "torchmetrics>=1.8",
        "pycocotools>=2.0.8",
        "jsonargparse[signatures]>=4.40",
        "lazy_loader>=0.4",
        "rich",
        "matplotlib",
        "jinja2",
        "huggingface_hub>=0.25",
        "safetensors",
        "scikit-learn",
        "scipy",
        "tensorboard",
        "pillow",
        "numpy",
        "filelock",
        "fsspec",
        "pyyaml",
    ],
    extras_require={
        **EXTRAS,
        "dev": [
            *(package for packages in EXTRAS.values() for package in packages),
            "lightly>=1.6,<2",
            "mpi4py>=4",
            "mpich; sys_platform == 'linux'",  # clusters have their own
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.12",
            "mypy>=1.15",
            "sphinx>=8",
            "furo",
            "myst-nb>=1.3",
            "ipykernel",
        ],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
