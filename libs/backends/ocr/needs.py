"""The files that an engine's child has to open, and the programs that it has to start: code and models, no data."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Final

__all__ = ["programs_of", "readable_by"]

_SYSTEM: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/ld.so.conf.d")
_MACHINE: Final = ("/proc/cpuinfo", "/proc/meminfo", "/sys/devices", "/sys/bus/pci")
_TESSERACT_DATA: Final = ("/usr/share/tesseract-ocr", "/usr/share/tessdata", "/usr/local/share/tessdata")
#: What the kernel starts a program with.
_LOADERS: Final = (
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
)


def readable_by(tesseract: str | None) -> tuple[str, ...]:
    """Python's own files, installed packages, this package and system libraries; not where the process was started."""
    own = str(Path(__file__).parents[2])
    python = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    packages = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    base = str(Path(sys.base_prefix) / "lib")
    data = (tesseract, *_TESSERACT_DATA) if tesseract else ()
    return tuple(dict.fromkeys((own, *python, *packages, base, *_SYSTEM, *_MACHINE, *data)))


def programs_of(tesseract: str | None) -> tuple[str, ...]:
    """Tesseract, where it is installed."""
    return (tesseract, *_LOADERS) if tesseract else ()
