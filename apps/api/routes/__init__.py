"""What the API answers: one file a resource, and every route of them here."""

from __future__ import annotations

from apps.api.routes import (
    app_status,
    artifacts,
    backends,
    batches,
    callbacks,
    comparisons,
    errors,
    events,
    health,
    jobs,
    kind_runs,
    kinds,
    me,
    uploads,
    usage,
    webhooks,
    workflows,
)
from apps.api.routes.admin import api_keys, audit, plans, queues, users
from apps.api.routes.admin import jobs as all_jobs
from apps.api.routes.admin import usage as all_usage
from apps.api.routes.admin import workflows as all_workflows
from apps.api.routes.openapi import routes_about

__all__ = ["ROUTES"]

_DESCRIBED = [
    *jobs.ROUTES,
    *events.ROUTES,
    *artifacts.ROUTES,
    *kind_runs.ROUTES,
    *batches.ROUTES,
    *comparisons.ROUTES,
    *uploads.ROUTES,
    *kinds.ROUTES,
    *workflows.ROUTES,
    *backends.ROUTES,
    *callbacks.ROUTES,
    *me.ROUTES,
    *usage.ROUTES,
    *webhooks.ROUTES,
    *users.ROUTES,
    *api_keys.ROUTES,
    *plans.ROUTES,
    *all_jobs.ROUTES,
    *all_workflows.ROUTES,
    *queues.ROUTES,
    *audit.ROUTES,
    *all_usage.ROUTES,
    *health.ROUTES,
    *app_status.ROUTES,
    *errors.ROUTES,
]

ROUTES = [*_DESCRIBED, *routes_about(_DESCRIBED)]
