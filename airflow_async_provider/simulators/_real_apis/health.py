# SPDX-License-Identifier: Apache-2.0
"""
FHIR Bulk Data ``$export`` with SMART Backend Services.

Source: github.com/HL7/bulk-data, input/pagecontent/export.md. Of a client's assertion the claims are
checked, not the signature.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from airflow_async_provider.simulators._real_apis.api import Answer, Api, Call, answer, lines, on, stamp

#: longest life of an assertion (seconds)
MAX_ASSERTION_SECONDS = 300


class Fhir(Api):
    """Bulk Data: the monitor in Content-Location, several files, tokens by a signed assertion."""

    name = "fhir"
    outcomes = ("fail", "partial", "transient")

    def __init__(self, simulator: Any) -> None:
        super().__init__(simulator)
        self._used: set[str] = set()

    def reset(self) -> None:
        """Forget used assertions as well."""
        super().reset()
        self._used.clear()

    def error(self, status: int, text: str) -> Any:
        """An OperationOutcome."""
        code = "transient" if status == 503 else "exception"
        return {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": code, "diagnostics": text}],
        }

    @on("POST", "/auth/token", "token")
    def _token(self, call: Call) -> Answer:
        if fault := self._assertion_fault(call.json or {}):
            return answer({"error": fault}, 400)
        token = f"issued-{next(self.simulator.numbers)}"
        self.tokens[token] = self.simulator.clock.now() + self.simulator.token_seconds
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": int(self.simulator.token_seconds),
        }

    def _assertion_fault(self, form: dict[str, str]) -> str:
        """What is wrong with a token request, as the word that RFC 6749 has for it; empty: nothing."""
        kind = form.get("client_assertion_type", "")
        if form.get("grant_type") != "client_credentials" or not kind.endswith(":jwt-bearer"):
            return "invalid_request"
        head, claims = (_decoded(part) for part in form["client_assertion"].split(".")[:2])
        lasts = claims.get("exp", 0) - time.time()
        once = claims.get("jti")
        good = (
            head.get("alg") in ("RS384", "ES384")
            and head.get("kid")
            and claims.get("iss") == claims.get("sub")
        )
        if (
            not good
            or claims.get("aud") != f"{self.base}/auth/token"
            or not 0 < lasts <= MAX_ASSERTION_SECONDS
        ):
            return "invalid_client"
        if once is None or once in self._used:
            return "invalid_client"
        self._used.add(once)
        return "" if form.get("scope") else "invalid_scope"

    @on("GET", "/$export", "submit")
    @on("GET", "/{kind}/$export", "submit")
    @on("GET", "/{kind}/{group}/$export", "submit")
    def _start(self, call: Call) -> Answer:
        if "respond-async" not in call.header("Prefer") or "fhir+json" not in call.header("Accept"):
            call.refuse(400, "Prefer: respond-async and Accept: application/fhir+json are required")
        monitor = f"{self.base}/status/{call.start('export-').id}"
        return answer(status=202, headers={"Content-Location": monitor})

    @on("DELETE", "/status/{id}", "cancel")
    def _delete(self, call: Call) -> Answer:
        job = call.job()
        if not call.cancel(job):
            del self.jobs[job.id]  # "I have all"
        return answer(status=202)

    @on("GET", "/status/{id}", "status")
    def _poll(self, call: Call) -> Answer:
        job = call.job()
        if job.stopped:
            call.refuse(404, "The export was deleted")
        if not job.over:
            return answer(status=202, headers={"X-Progress": f"{job.percent}% complete", **call.pace})
        if job.outcome == "fail":
            call.refuse(500, "An internal timeout has occurred")
        if job.outcome == "transient" and not job.about.get("told"):
            job.about["told"] = True
            call.refuse(503, "The database is restarting", {"Retry-After": "1"})
        return answer(self._manifest(job.outcome), headers={"Expires": "Fri, 31 Dec 2100 23:59:59 GMT"})

    def _manifest(self, outcome: str) -> dict[str, Any]:
        names = (("Patient", "p1"), ("Patient", "p2"), ("Observation", "o1"))
        output = [
            {"type": kind, "url": f"{self.base}/files/{name}.ndjson", "count": 1} for kind, name in names
        ]
        errors = [{"type": "OperationOutcome", "url": f"{self.base}/files/e1.ndjson"}]
        return {
            "transactionTime": stamp(self.simulator.clock.now()),
            "request": f"{self.base}/$export",
            "requiresAccessToken": True,
            "output": output,
            "error": errors if outcome == "partial" else [],
        }

    @on("GET", "/files/{file}", "result")
    def _file(self, call: Call) -> Answer:
        if call["file"] not in ("p1.ndjson", "p2.ndjson", "o1.ndjson", "e1.ndjson"):
            call.refuse(404, "There is no such file")
        text = lines({"resourceType": "Patient", "id": call["file"].removesuffix(".ndjson")})
        return answer(text, content_type="application/fhir+ndjson")


def _decoded(part: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(part + "=="))
    return value if isinstance(value, dict) else {}
