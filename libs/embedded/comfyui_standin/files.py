"""The files a stand-in keeps, in memory; the oldest go when there are too many bytes of them."""

from __future__ import annotations

__all__ = ["KEPT_BYTES_MAX", "Files"]

KEPT_BYTES_MAX = 512 * 1024 * 1024


class Files:
    """Bytes by (folder, subfolder, name); a folder is `output`, `temp` or `input`."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str, str], bytes] = {}
        self._bytes = 0

    def save(self, folder: str, prefix: str, extension: str, data: bytes) -> dict[str, str]:
        """Save under the next free number behind `prefix`; returns what ComfyUI tells of a saved file."""
        subfolder, _, stem = prefix.rpartition("/")
        number = 1
        while (folder, subfolder, f"{stem}_{number:05}_.{extension}") in self._files:
            number += 1
        name = f"{stem}_{number:05}_.{extension}"
        self.put(folder, subfolder, name, data)
        return {"filename": name, "subfolder": subfolder, "type": folder}

    def put(self, folder: str, subfolder: str, name: str, data: bytes) -> None:
        """Save under a name of the caller's."""
        self._bytes += len(data) - len(self._files.pop((folder, subfolder, name), b""))
        self._files[folder, subfolder, name] = data
        while self._bytes > KEPT_BYTES_MAX and len(self._files) > 1:
            oldest = next(iter(self._files))
            self._bytes -= len(self._files.pop(oldest))

    def upload(self, name: str, subfolder: str, data: bytes) -> str:
        """Keep an uploaded file; one of the same name and other bytes makes it get another name, which is returned."""
        stem, _, extension = name.rpartition(".")
        number, taken = 0, name
        while self._files.get(("input", subfolder, taken), data) != data:
            number += 1
            taken = f"{stem} ({number}).{extension}"
        self.put("input", subfolder, taken, data)
        return taken

    def find(self, folder: str, subfolder: str, name: str) -> bytes | None:
        """A file's bytes."""
        return self._files.get((folder, subfolder, name))

    def clear(self) -> None:
        """Drop them all."""
        self._files.clear()
        self._bytes = 0
