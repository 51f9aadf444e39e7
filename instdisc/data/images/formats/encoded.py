"""Images that are kept as the bytes of files, wherever these lie.

Legend: N images.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod

from torch import Tensor

from ..contents import KEY_BYTES, LARGE, Keys, as_keys, hash_parts
from ..decoding import decode_bytes
from ..source import ImageSource


class EncodedImages(ImageSource):
    """Images in the bytes of JPEG, PNG and other files; subclass it, and say where these lie.

    What is decoded and how is that of `decode_file`, and so is what an image is known by: a set has
    one fingerprint, whether it lies in a folder or in one of these.

    Example:
        >>> import io
        >>> import torch
        >>> from PIL import Image
        >>> class Files(EncodedImages):
        ...     name, classes, labels = "files", (), torch.full((2,), -1)
        ...     def encoded(self, index):
        ...         file = io.BytesIO()
        ...         Image.new("RGB", (8, 6 + index)).save(file, "PNG")
        ...         return file.getvalue()
        >>> Files().read(1).shape
        torch.Size([3, 7, 8])
    """

    @abstractmethod
    def encoded(self, index: int) -> bytes | None:
        """The file of the image at a position; ``None`` if there is none."""

    def place(self, index: int) -> str:
        """What messages call the image at a position; it is asked for whenever one is read."""
        return f"{index} of {self.name!r}"

    def volume(self) -> int:
        """Bytes of all images, about: above 2 GiB, `stamp` stands for what an image is."""
        return 0

    def stamp(self, index: int) -> str:
        """What tells the image at a position from others where not all bytes can be looked at."""
        return self.place(index)

    def read(self, index: int) -> Tensor:
        file = self.encoded(index)
        if file is None:
            raise ValueError(
                f"cannot read the image {self.place(index)} (there is none). Add or remove it, or "
                "pass on_unreadable='skip'."
            )
        return decode_bytes(file, self.place(index))

    def image_keys(self, positions: Tensor | None = None) -> Keys:
        rows = self._rows(positions)
        if self.volume() > LARGE:
            return Keys(as_keys(hash_parts(self.stamp(row).encode()) for row in rows), False)
        return Keys(as_keys(_hash(self.encoded(row)) for row in rows), True)


def _hash(file: bytes | None) -> bytes:
    """As `file_keys` hashes a file."""
    if file is None:
        return hash_parts(b"unreadable")
    return hashlib.blake2b(file, digest_size=KEY_BYTES).digest()
