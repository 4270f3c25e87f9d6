# SPDX-License-Identifier: Apache-2.0
"""A real Airflow with users of several roles, behind a path prefix, as a reverse proxy would have it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from tests.support.harness.airflow_config import merged
from tests.support.harness.real_airflow import RealAirflow

PREFIX = "/air"
USERS = {"admin": "ADMIN", "viewer": "VIEWER"}


class AirflowWithUsers(RealAirflow):
    """
    With a path prefix, and users who sign in; its client is the administrator.

    :param config: as of the base
    :param options: further arguments of the base
    """

    def __init__(self, *, config: Mapping[str, Mapping[str, object]] | None = None, **options: Any) -> None:
        users = ",".join(f"{user}:{role.lower()}" for user, role in USERS.items())
        own: dict[str, dict[str, object]] = {
            "core": {"simple_auth_manager_all_admins": False, "simple_auth_manager_users": users},
            "async_provider": {"page_report_seconds": 2},
        }
        super().__init__(config=merged(config or {}, own), **options)
        self.root = f"{self.base_url}{PREFIX}"
        self.env["AIRFLOW__API__BASE_URL"] = self.root
        self.env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] = f"{self.root}/execution/"
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({user: f"{user}-word" for user in USERS}))
        self.env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"] = str(passwords)
        self.client.base_url = self.root

    def start_all(self) -> None:
        """Start, and sign in."""
        super().start_all()
        self.client.sign_in(self.token("admin"))

    def token(self, user: str) -> str:
        """What the login page gives to a user."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.root}/auth/token", json={"username": user, "password": f"{user}-word"}, timeout=30
            )
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def page(self, path: str, *, user: str | None = "admin", **options: Any) -> requests.Response:
        """An answer of the page's own routes."""
        headers = {"Authorization": f"Bearer {self.token(user)}"} if user else {}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(
                options.pop("method", "GET"),
                f"{self.root}/remote-jobs/{path}",
                headers=headers,
                timeout=60,
                **options,
            )

    def jobs(self, **query: Any) -> list[dict[str, Any]]:
        """What the list shows."""
        found: list[dict[str, Any]] = self.page("jobs", params={"limit": 200, **query}).json()["jobs"]
        return found
