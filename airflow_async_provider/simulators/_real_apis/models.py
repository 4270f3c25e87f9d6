# SPDX-License-Identifier: Apache-2.0
"""
Batches of language models: OpenAI (and Azure OpenAI), Anthropic.

Sources: OpenAI's open Python SDK (types/batch.py); Anthropic's open Python SDK
(types/messages/message_batch.py, message_batch_request_counts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, lines, on
from airflow_async_provider.simulators._real_apis.job import Job


class OpenAi(Api):
    """Batches: an upload before, an output file and an error file after; an expired batch may have both."""

    name = "openai"
    key_header = "api-key"
    outcomes = ("fail", "expire")

    def error(self, status: int, text: str) -> Any:
        """An error object."""
        return {"error": {"message": text, "type": "invalid_request"}}

    @on("POST", "/v1/files", "step")
    def _upload(self, call: Call) -> Answer:
        if b"purpose" not in call.raw or "multipart/form-data" not in call.header("Content-Type"):
            call.refuse(400, "A form with purpose and file is expected")
        return {"id": f"file-{next(self.simulator.numbers)}", "object": "file", "purpose": "batch"}

    @on("POST", "/v1/batches", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("input_file_id", "endpoint", "completion_window")
        return self._document(call.start("batch_"))

    @on("GET", "/v1/batches/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/v1/batches/{id}/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        if not call.cancel(job):
            call.refuse(409, "The batch has ended")
        return self._document(job)

    @on("GET", "/v1/files/{file}/content", "result")
    def _content(self, call: Call) -> Answer:
        which, _, job_id = call["file"].partition("-")
        call.job(job_id)
        if which == "out":
            return answer(
                lines({"custom_id": "1", "response": {"status_code": 200}}), content_type="application/jsonl"
            )
        return answer(lines({"custom_id": "2", "error": "late"}), content_type="application/jsonl")

    def _document(self, job: Job) -> Answer:
        running = ["validating", "in_progress", "finalizing"]
        ended = {"fail": "failed", "expire": "expired"}
        word = job.word(running, "completed", ended, "cancelled", stopping="cancelling")
        files = word in ("completed", "expired")
        body = {"id": job.id, "object": "batch", "status": word, "errors": None}
        body["output_file_id"] = f"out-{job.id}" if files else None
        body["error_file_id"] = f"err-{job.id}" if files else None
        body["request_counts"] = {"total": 2, "completed": int(job.over), "failed": int(job.over)}
        if word == "failed":
            body["errors"] = {
                "data": [{"code": "invalid_json_line", "message": "Line 1 is not JSON", "line": 1}]
            }
        return body


class Anthropic(Api):
    """Message batches: one final word, the outcome is in the counts."""

    name = "anthropic"
    key_header = "x-api-key"
    headers: ClassVar[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}

    def error(self, status: int, text: str) -> Any:
        """An error object."""
        return {"type": "error", "error": {"type": "invalid_request_error", "message": text}}

    @on("POST", "/v1/messages/batches", "submit")
    def _start(self, call: Call) -> Answer:
        call.need("requests")
        return self._document(call.start("msgbatch_"))

    @on("GET", "/v1/messages/batches/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        return self._document(call.job())

    @on("POST", "/v1/messages/batches/{id}/cancel", "cancel")
    def _cancel(self, call: Call) -> Answer:
        job = call.job()
        call.cancel(job)
        return self._document(job)

    @on("GET", "/v1/messages/batches/{id}/results", "result")
    def _results(self, call: Call) -> Answer:
        job = call.job()
        if not job.over:
            call.refuse(404, "No results yet")
        kind = "errored" if job.outcome else "succeeded"
        text = lines(*({"custom_id": number, "result": {"type": kind}} for number in ("2", "1")))
        return answer(text, content_type="application/binary")

    def _document(self, job: Job) -> Answer:
        word = job.word(["in_progress"], "ended", {}, "ended", stopping="canceling")
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        ended = "canceled" if job.stopped else "errored" if job.outcome else "succeeded"
        counts[ended if word == "ended" else "processing"] = 2
        url = f"{self.base}/v1/messages/batches/{job.id}/results" if word == "ended" else None
        body = {"id": job.id, "type": "message_batch", "processing_status": word}
        return body | {"request_counts": counts, "results_url": url}
