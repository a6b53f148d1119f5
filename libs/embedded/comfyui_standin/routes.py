"""ComfyUI's routes over the stand-in's parts, and two of the stand-in's own: `/standin` and `/standin/faults`."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Literal

import orjson

from libs.embedded.comfyui_standin.checkpoints import refuse_missing, with_checkpoints
from libs.embedded.comfyui_standin.faults import NAMES, Faults
from libs.embedded.comfyui_standin.files import Files
from libs.embedded.comfyui_standin.nodes import LORAS, object_info, validate
from libs.embedded.comfyui_standin.prompts import Prompts
from libs.embedded.comfyui_standin.wire import Request, Response, json_response

__all__ = ["Generation", "Routes"]

#: `newest` has /api/jobs and wants canonical ids; `older` has neither.
Generation = Literal["newest", "older"]

_NOT_FOUND = Response(404, b"404: Not Found")
_TRACEBACK = (
    "'NoneType' object is not subscriptable\nTraceback (most recent call last):\n  File \"execution.py\", line 1"
)


class Routes:
    """Answers requests. `frees` counts the calls of /free, for tests."""

    def __init__(
        self, prompts: Prompts, files: Files, faults: Faults, generation: Generation, checkpoints: Sequence[str]
    ) -> None:
        self.frees = 0
        #: Classes that it tells of and has not: what people install.
        self.more_classes: Mapping[str, Any] = {}
        self.checkpoints = checkpoints
        self.prompts = prompts
        self.files = files
        self._faults = faults
        self._newest = generation == "newest"
        self._routes: dict[tuple[str, str], Callable[[Request, str], Response]] = {
            ("POST", "prompt"): self._submit,
            ("GET", "prompt"): lambda _r, _t: json_response({"exec_info": {"queue_remaining": prompts.remaining}}),
            ("GET", "queue"): lambda _r, _t: json_response(prompts.queue_json()),
            ("POST", "queue"): self._change_queue,
            ("GET", "history"): lambda _r, tail: json_response(prompts.history_json(tail or None)),
            ("POST", "interrupt"): self._interrupt,
            ("GET", "view"): self._view,
            ("POST", "upload"): self._upload,
            ("GET", "system_stats"): self._system_stats,
            ("GET", "object_info"): self._object_info,
            ("GET", "models"): self._models,
            ("POST", "free"): self._free,
            ("GET", "standin"): self._tell_counts,
            ("POST", "standin"): self._set_faults,
        }
        if self._newest:
            self._routes["GET", "jobs"] = self._job
            self._routes["POST", "jobs"] = self._cancel_job

    def answer(self, request: Request) -> Response:
        """Answer a request; like ComfyUI it answers 500 in plain text to what it cannot read."""
        if "origin" in request.headers:
            return Response(403)
        head, _, tail = request.path.removeprefix("/api").strip("/").partition("/")
        if (head == "jobs") != request.path.startswith("/api/jobs"):
            return _NOT_FOUND
        route = self._routes.get((request.method, head))
        if route is None:
            return _NOT_FOUND
        try:
            return route(request, tail)
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
            return Response(500, b"500 Internal Server Error\n\nServer got itself in trouble")

    def _submit(self, request: Request, _tail: str) -> Response:
        body = request.json()
        prompt_id = body.get("prompt_id") or str(uuid.uuid4())
        if self._newest and str(uuid.UUID(prompt_id)) != prompt_id:
            return json_response({"error": _error("invalid_prompt_id"), "node_errors": {}}, 400)
        if self._faults.strikes("traceback"):
            error = {**_error("exception_during_validation"), "message": _TRACEBACK, "details": _TRACEBACK}
            errors = {"7": {"errors": [error], "dependent_outputs": [], "class_type": "KSampler"}}
            return json_response({"error": _error("prompt_outputs_failed_validation"), "node_errors": errors}, 400)
        if invalid := validate(body.get("prompt")):
            return json_response({"error": invalid.error, "node_errors": invalid.node_errors}, 400)
        if missing := refuse_missing(body["prompt"], self.checkpoints):
            return json_response({"error": _error("prompt_outputs_failed_validation"), "node_errors": missing}, 400)
        prompt = self.prompts.put(prompt_id, body["prompt"], body.get("client_id"))
        errors = {}
        if self._faults.strikes("partial"):
            errors = {
                "9": {"errors": [_error("value_not_in_list")], "dependent_outputs": ["9"], "class_type": "SaveImage"}
            }
        return json_response({"prompt_id": prompt_id, "number": prompt.number, "node_errors": errors})

    def _change_queue(self, request: Request, _tail: str) -> Response:
        for prompt_id in request.json().get("delete", []):
            self.prompts.delete(prompt_id)
        return Response()

    def _interrupt(self, request: Request, _tail: str) -> Response:
        self.prompts.interrupt(request.json().get("prompt_id") if request.body else None)
        return Response()

    def _job(self, _request: Request, tail: str) -> Response:
        job = self.prompts.job_json(tail)
        return json_response(job) if job else json_response({"error": "Job not found"}, 404)

    def _cancel_job(self, _request: Request, tail: str) -> Response:
        prompt_id = tail.removesuffix("/cancel")
        done = self.prompts.delete(prompt_id) or self.prompts.interrupt(prompt_id)
        return json_response({"cancelled": done})

    def _view(self, request: Request, _tail: str) -> Response:
        name, subfolder = request.query["filename"], request.query.get("subfolder", "")
        if ".." in name or ".." in subfolder or name.startswith("/"):
            return Response(400)
        data = self.files.find(request.query.get("type", "output"), subfolder, name)
        if data is None:
            return Response(404)
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(304, headers=(("ETag", tag),))
        return Response(200, data, "image/png", (("ETag", tag),))

    def _upload(self, request: Request, tail: str) -> Response:
        """A multipart form, read as the mail message it is modelled on (RFC 7578)."""
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        form: dict[str, Message] = {
            str(part.get_param("name", header="content-disposition")): part
            for part in BytesParser(policy=HTTP).parsebytes(head + request.body).walk()
            if not part.is_multipart()
        }
        image = form.get("image")
        if tail != "image" or image is None or not image.get_filename():
            return Response(400)
        subfolder = _text_of(form.get("subfolder"))
        data = image.get_payload(decode=True)
        name = self.files.upload(str(image.get_filename()), subfolder, data if isinstance(data, bytes) else b"")
        return json_response({"name": name, "subfolder": subfolder, "type": "input"})

    def _system_stats(self, _request: Request, _tail: str) -> Response:
        system = {
            "os": "posix",
            "comfyui_version": "0.8.0" if self._newest else "0.3.0",
            "stand_in": "This is no ComfyUI. It speaks its protocol and draws test pictures.",
        }
        device = {"name": "stand-in (draws test pictures)", "type": "cpu", "index": 0, "vram_total": 0, "vram_free": 0}
        return json_response({"system": system, "devices": [device]})

    def _object_info(self, _request: Request, tail: str) -> Response:
        told = with_checkpoints(object_info(tail or None, combo=self._newest), self.checkpoints)
        return json_response({**told, **({} if tail else self.more_classes)})

    def _models(self, _request: Request, tail: str) -> Response:
        models = {"checkpoints": list(self.checkpoints), "loras": LORAS}
        if not tail:
            return json_response(list(models))
        return json_response(models[tail]) if tail in models else Response(404)

    def _free(self, request: Request, _tail: str) -> Response:
        request.json().get("free_memory")
        self.frees += 1
        return Response()

    def _tell_counts(self, _request: Request, _tail: str) -> Response:
        counts = {
            "runs": self.prompts.runs,
            "most_at_once": self.prompts.most_at_once,
            "interrupts": self.prompts.interrupts,
            "frees": self.frees,
        }
        return json_response({"stand_in": True, **counts, "faults": NAMES})

    def _set_faults(self, request: Request, _tail: str) -> Response:
        self._faults.replace(request.json()["faults"])
        return json_response({"stand_in": True})


def _error(kind: str) -> dict[str, Any]:
    return {"type": kind, "message": kind.replace("_", " ").capitalize(), "details": "", "extra_info": {}}


def _text_of(part: Message | None) -> str:
    text = part.get_payload(decode=True) if part else b""
    return text.decode() if isinstance(text, bytes) else ""
