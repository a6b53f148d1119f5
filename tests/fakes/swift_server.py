"""OpenStack Swift with its S3 API in one process: an object store that checks signatures to the letter.

Run by the Python of an environment that holds it (see `tests/strict.py`): FOLDER PORT ACCESS_KEY, the secret in SECRET.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import eventlet

eventlet.monkey_patch()

from eventlet import wsgi  # noqa: E402  # what is imported from here on is patched
from swift.common import utils  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import loadapp  # noqa: E402

HOST = "127.0.0.1"
KINDS = ("account", "container", "object")
PIPELINE = "catch_errors gatekeeper listing_formats s3api tempauth copy slo dlo proxy-server"

BACKEND = """\
[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
[pipeline:main]
pipeline = {kind}
[app:{kind}]
use = egg:swift#{kind}
"""
PROXY = """\
[DEFAULT]
swift_dir = {folder}
[pipeline:main]
pipeline = {pipeline}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
check_bucket_owner = false
s3_acl = true
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


def main(folder: Path, port: int, access_key: str, secret: str) -> None:
    """Serve until killed."""
    (folder / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n")
    utils.SWIFT_CONF_FILE = str(folder / "swift.conf")  # else it is one in /etc
    sockets = {kind: eventlet.listen((HOST, 0)) for kind in KINDS}
    for kind, socket in sockets.items():
        _ring(folder, kind, socket.getsockname()[1])
    account, _, user = access_key.partition(":")
    configs = {kind: BACKEND.format(folder=folder, kind=kind) for kind in KINDS}
    configs["proxy"] = PROXY.format(folder=folder, pipeline=PIPELINE, account=account, user=user, secret=secret)
    sockets["proxy"] = eventlet.listen((HOST, port))
    threads = []
    for name, text in configs.items():
        file = folder / f"{name}.conf"
        file.write_text(text)
        app = loadapp(str(file))
        threads.append(eventlet.spawn(wsgi.server, sockets[name], app, log_output=False))
    for thread in threads:
        thread.wait()


def _ring(folder: Path, kind: str, port: int) -> None:
    builder = RingBuilder(1, 1, 1)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, "ip": HOST, "port": port, "device": "d1"})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{kind}.ring.gz"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], os.environ["SECRET"])
