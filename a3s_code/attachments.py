"""Images that a person sends along with a prompt."""

from pathlib import Path

from a3s_code.errors import PromptError
from a3s_code.messages import Image

__all__ = ["MAX_IMAGE_BYTES", "Attachment", "image_type"]

MAX_IMAGE_BYTES = 5 * 1024 * 1024 * 3 // 4
"""Anthropic takes 5 MiB for one image as sent (docs "Vision"), in base64, a third longer; OpenAI takes more."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def image_type(data: bytes) -> str | None:
    """The media type of an image file by its first bytes, or None when it is none of JPEG, PNG, GIF, WebP."""
    for magic, media_type in _MAGIC:
        if data.startswith(magic):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


class Attachment(Image):
    """An image for `send_with_attachments`; the bytes decide the format, not the file's name."""

    @classmethod
    def from_bytes(cls, data: bytes) -> "Attachment":
        """An attachment of an image file's bytes.

        Raises:
            PromptError: It is not JPEG, PNG, GIF or WebP, or larger than 3.75 MiB.
        """
        media_type = image_type(data)
        if media_type is None:
            raise PromptError("the attachment is not a JPEG, PNG, GIF or WebP image; convert it first")
        if len(data) > MAX_IMAGE_BYTES:
            raise PromptError(
                f"the attachment has {len(data):,} bytes; the limit is {MAX_IMAGE_BYTES:,}: scale it down"
            )
        return cls(media_type, data)

    @classmethod
    def from_file(cls, path: str | Path) -> "Attachment":
        """An attachment read from *path*.

        Raises:
            PromptError: The file cannot be read or is not an image that models take.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise PromptError(f"cannot read the attachment {path}: {error.strerror or error}") from error
        return cls.from_bytes(data)

    png = jpeg = gif = webp = from_bytes
