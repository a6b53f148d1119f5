"""ARQ's own pool, for its cron, for foreign jobs and for whoever enqueues with stock ARQ.

Everything of ours goes through `libs.store`; this pool is what ARQ's code expects to hold.
"""

from __future__ import annotations

from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import RedisError

from libs.errors import Unavailable
from libs.jobs.payload import deserialize, serialize
from libs.store.url import parse_url

__all__ = ["FOREIGN_QUEUE", "open_pool", "redis_settings"]

#: The queue that stock `enqueue_job` writes to.
FOREIGN_QUEUE = "arq:queue"


def redis_settings(url: str) -> RedisSettings:
    """ARQ's form of REDIS_URL; raises ValueError as `parse_url` does."""
    address = parse_url(url)
    settings = RedisSettings(
        database=address.db,
        username=address.login.user,
        password=address.login.password,
        conn_retries=0,
        conn_timeout=2,
        unix_socket_path=address.socket,
    )
    if address.service is not None:
        settings.host = list(address.hosts)
        settings.sentinel = True
        settings.sentinel_master = address.service
    elif address.hosts:
        settings.host, settings.port = address.hosts[0]
    if address.tls is not None:
        settings.ssl = True
        settings.ssl_ca_certs = address.tls.ca_certs
        settings.ssl_certfile = address.tls.certfile
        settings.ssl_keyfile = address.tls.keyfile
        settings.ssl_cert_reqs = "required" if address.tls.required else "none"
        settings.ssl_check_hostname = address.tls.check_hostname and address.tls.required
    return settings


async def open_pool(url: str) -> ArqRedis:
    """A connected ARQ pool with our serializer; raises Unavailable when Redis is away."""
    try:
        return await create_pool(
            redis_settings(url),
            retry=0,
            job_serializer=serialize,
            job_deserializer=deserialize,
            default_queue_name=FOREIGN_QUEUE,
        )
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("redis", type(error).__name__) from None
