"""The JSON that a caller sees of what is stored; of a job, see `libs.jobs.view`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from libs.access.api_key import ApiKey
from libs.access.user import User
from libs.artifacts.upload import Upload
from libs.jobs.view import stamp

__all__ = [
    "api_key_view",
    "limits_view",
    "rates_view",
    "upload_view",
    "user_view",
]


def user_view(user: User) -> dict[str, Any]:
    """A user, as an admin sees them; the admin API calls the plan `role`."""
    return {
        "id": user.id,
        "email": user.email,
        "role": user.plan,
        "status": user.status,
        "overrides": dict(user.overrides),
        "created_at": stamp(user.created_at_ms),
    }


def api_key_view(api_key: ApiKey) -> dict[str, Any]:
    """An API key without its secret, which nobody has any more."""
    return {
        "id": api_key.id,
        "user_id": api_key.user_id,
        "name": api_key.name,
        "scopes": sorted(api_key.scopes),
        "hint": api_key.hint,
        "created_at": stamp(api_key.created_at_ms),
        "expires_at": stamp(api_key.expires_at_ms),
        "revoked_at": stamp(api_key.revoked_at_ms),
        "last_used_at": stamp(api_key.last_used_at_ms),
        "limits": rates_view(api_key.rates),
        "addresses": list(api_key.networks),
        "replaces": api_key.replaces,
        "replaced_by": api_key.replaced_by,
        "pepper": api_key.pepper,
    }


def rates_view(rates: Mapping[str, int]) -> dict[str, int]:
    """The rates of an API key itself, where it has any."""
    return {f"{bucket}_per_minute": rate for bucket, rate in rates.items()}


def upload_view(upload: Upload) -> dict[str, Any]:
    """An upload; `url` and `method` are told only where it was created."""
    return {
        "id": upload.id,
        "status": upload.status,
        "filename": upload.filename,
        "content_type": upload.content_type,
        "size_bytes": upload.size_bytes,
        "sha256": upload.sha256,
        "page_count": upload.page_count,
        "created_at": stamp(upload.created_at_ms),
        "expires_at": stamp(upload.expires_at_ms),
        "links": {
            "self": f"/api/v1/uploads/{upload.id}",
            "complete": f"/api/v1/uploads/{upload.id}/complete",
        },
    }


def limits_view(limits: Any) -> dict[str, int | None]:
    """The numbers of a plan as they hold for one caller; null is unlimited."""
    return asdict(limits)
