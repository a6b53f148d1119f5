"""A body that works, for the routes that people try first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["EXAMPLES"]

_PICTURE: Final = {"prompt": "a lighthouse at dusk", "width": 512, "height": 512, "steps": 20}

EXAMPLES: Final[Mapping[str, Any]] = {
    "POST /api/v1/jobs": {"kind": "generate", "input": _PICTURE, "metadata": {"order": "1042"}},
    "POST /api/v1/generate": _PICTURE,
    "POST /api/v1/detect": {"image_url": "https://example.com/cat.jpg"},
    "POST /api/v1/workflow": {"workflow": "portrait", "parameters": {"prompt": "a lighthouse at dusk"}},
    "POST /api/v1/ocr": {"upload": "upload_06bd7j3v6c0h2k9m4n8p5q1r7s", "language": "en"},
    "POST /api/v1/batches": {"kind": "generate", "items": [_PICTURE, {"input": _PICTURE, "metadata": {"row": 2}}]},
    "POST /api/v1/comparisons": {
        "input": _PICTURE,
        "variants": [{"name": "calm"}, {"name": "wild", "input": {"cfg_scale": 12.0, "sampler": "dpmpp_2m"}}],
    },
    "POST /api/v1/batch": {"images": ["https://example.com/1.jpg", "https://example.com/2.jpg"]},
    "POST /api/v1/optimize": {
        "image_url": "https://example.com/product.jpg",
        "prompt": "the same product before a plain white wall",
        "aspect_ratio": "1:1",
    },
    "POST /api/v1/uploads": {"filename": "invoice.pdf", "content_type": "application/pdf", "size_bytes": 84_213},
    "POST /api/v1/stream-tokens": {"job_id": "job_06bd7j3v6c0h2k9m4n8p5q1r7s"},
    "POST /api/v1/webhooks": {
        "url": "https://shop.example.com/hooks/arqade",
        "events": ["job.succeeded", "job.failed"],
    },
    "PATCH /api/v1/webhooks/{id}": {"enabled": True},
    "POST /admin/users": {"email": "someone@example.com", "role": "pro"},
    "PATCH /admin/users/{user_id}": {"status": "suspended"},
    "POST /admin/api-keys/{api_key_id}/rotate": {"overlap_seconds": 86_400},
}
