"""/app-status: the queue, the workers and the machine at a glance, as the OCR services told it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response

from apps.api.answers.house import AppStatus
from apps.api.request import Request
from apps.api.responses import Json
from apps.api.routing import ANY_KEY, route
from libs.jobs.devices import Device, list_devices
from libs.jobs.queues import QueueState, list_queues
from libs.jobs.workers import WORKERS_MAX, Worker, list_workers

__all__ = ["APP_STATUS", "ROUTES"]

#: The path that APP_STATUS_PUBLIC opens.
APP_STATUS = "/app-status"


async def show_app_status(request: Request) -> Response:
    """Queue, workers and machine now; needs a key unless `APP_STATUS_PUBLIC` opens it."""
    store = request.resources.cells.shared
    queues, workers, devices = await asyncio.gather(
        list_queues(store), list_workers(store, limit=WORKERS_MAX), list_devices(store)
    )
    return Json(
        {
            "status": "draining" if request.api.draining.is_set() else "running",
            "queue": _queue_view(queues, workers, request.api.settings.max_queue_size),
            "workers": _workers_view(workers),
            "system": _system_view(request, devices),
        }
    )


def _queue_view(queues: list[QueueState], workers: list[Worker], size_max: int) -> dict[str, Any]:
    unfinished = {queue.name: queue.ready + queue.timed + queue.held for queue in queues}
    running = sum(worker.running for worker in workers)
    return {
        "waiting_in_queue": max(0, sum(unfinished.values()) - running),
        "running": running,
        "max_queue_size": size_max,
        "unfinished": unfinished,
    }


def _workers_view(workers: list[Worker]) -> dict[str, int]:
    return {
        "count": len(workers),
        "accepting": sum(worker.accepting for worker in workers),
        "slots": sum(worker.slots for worker in workers),
        "busy": sum(worker.running for worker in workers),
    }


def _system_view(request: Request, devices: list[Device]) -> dict[str, Any]:
    load = request.api.machine.load()
    return {
        "cpu_percent": _percent(load.cpu),
        "memory_percent": _percent(load.memory),
        "memory_bytes": load.memory_bytes,
        "memory_used_bytes": load.memory_used_bytes,
        "gpus": [
            {
                "backend": device.backend,
                "name": device.name,
                "memory_bytes": device.memory_bytes,
                "memory_free_bytes": device.memory_free_bytes,
            }
            for device in devices
        ],
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


ROUTES = [
    route("GET", APP_STATUS, show_app_status, scope=ANY_KEY, bucket="reads", answers={200: AppStatus}),
]
