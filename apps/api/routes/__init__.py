"""What the API answers: one file a resource, and every route of them here."""

from __future__ import annotations

from apps.api.routes import artifacts, errors, events, health, jobs, kind_runs, kinds, me, uploads
from apps.api.routes.admin import api_keys, users

__all__ = ["ROUTES"]

ROUTES = [
    *jobs.ROUTES,
    *events.ROUTES,
    *artifacts.ROUTES,
    *kind_runs.ROUTES,
    *uploads.ROUTES,
    *kinds.ROUTES,
    *me.ROUTES,
    *users.ROUTES,
    *api_keys.ROUTES,
    *health.ROUTES,
    *errors.ROUTES,
]
