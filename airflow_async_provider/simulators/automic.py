# SPDX-License-Identifier: Apache-2.0
"""
Automic's AE REST API in a box: executions, lists, status changes, reports, callbacks.

As strict as the public pages of the vendor (docs.automic.com, AE REST API) allow: what they say is enforced,
what they leave open is an option or an assumption. Those about requests are named in ``automic_checks``,
those about callbacks in ``automic_callbacks``; the others: restarts name the run before in
``reference_run_id`` (option), do not inherit the callback, and may be done to any ended run; a recurring
start makes one C_PERIOD task; reports are asked for page by page with one page as the default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from aiohttp import web

from airflow_async_provider.simulators._automic_callbacks import Callback, CallbackSender
from airflow_async_provider.simulators._automic_checks import (
    Accounts,
    bad_request,
    check_start,
    json_body,
    no_such_run,
    not_active,
    refused,
    start_of,
)
from airflow_async_provider.simulators._automic_list import Query, page
from airflow_async_provider.simulators._automic_runs import WITH_CHILDREN, Objects, Plan, Run, stamp
from airflow_async_provider.simulators._automic_tasks import Tasks
from airflow_async_provider.simulators.frame import Handler, Route, Simulator
from airflow_async_provider.simulators.reply import Reply

API = "/ae/api/v1"


class AutomicSimulator(Simulator):
    """
    Broadcom Automic Automation Engine.

    Seconds are simulated ones (``time_scale``, ``clock.advance``). Some objects behave in special ways, see
    :data:`~airflow_async_provider.simulators._automic_runs.OBJECTS`; all others follow these arguments.

    :param run_seconds: how long a run takes, None: until :meth:`finish_run`
    :param status: the status at the end
    :param objects: other values for single objects (``*`` stands for any text in the name): the fields of
        :class:`~airflow_async_provider.simulators._automic_runs.Plan`
    :param client: the one client that the user is known in
    :param user: ``USER/DEPARTMENT``
    :param password: in ISO-8859-1, as Automic reads it
    :param token: a bearer token that is good, None: there is none
    :param callback_attempts: CALLBACK_ATTEMPTS
    :param callback_interval: CALLBACK_INTERVAL in seconds
    :param callback_interval_exp: CALLBACK_INTERVAL_EXP: 0, 1 or 2
    :param payload: form of the default payload: "padded", "numbers" or "named"
    :param template: TEMPLATE_EXECUTION, replaces the default payload
    :param restart_reference: whether a restart names the run "before" it or the "original" one
    :param unknown_fields: whether a start may hold fields that no public page names
    :param longest_page: most runs on one page of the list, None: as many as ``max_results`` asks for (the
        vendor names no maximum)
    :param leading_wildcards: whether ``*`` may stand at the beginning of a filter (the vendor shows it at the
        end)
    :param options: ``time_scale`` and ``latency`` of every simulator
    """

    name: ClassVar[str] = "automic"
    command_line: ClassVar[str] = "_automic_arguments"

    def __init__(
        self,
        *,
        run_seconds: float | None = 0.3,
        status: int = 1900,
        objects: Mapping[str, Mapping[str, Any]] | None = None,
        client: str = "100",
        user: str = "AIRFLOW/AF",
        password: str = "päss§word",  # noqa: S107 - a made-up password of a simulator
        token: str | None = "automic-token",  # noqa: S107 - likewise
        callback_attempts: int = 3,
        callback_interval: float = 30.0,
        callback_interval_exp: int = 0,
        payload: str = "padded",
        template: str | None = None,
        restart_reference: str = "before",
        unknown_fields: bool = False,
        longest_page: int | None = None,
        leading_wildcards: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.longest_page = longest_page
        self.leading_wildcards = leading_wildcards
        self.client = client
        self._user = user
        self._password = password
        self._token = token
        self.accounts = Accounts(client=client, user=user, password=password, token=token)
        self.objects = Objects(Plan(run_seconds=run_seconds, status=status), objects or {})
        self._unknown_fields = unknown_fields
        #: False: the health check answers 503
        self.healthy = True
        #: True: ILM is at work, all but ping is refused
        self.ilm = False
        self.tasks = Tasks(
            now=self.clock.now,
            user=user,
            restart_reference=restart_reference,
            on_change=self._changed,
        )
        self.sender = CallbackSender(
            now=self.clock.now,
            journal=self.journal,
            client=client,
            attempts=callback_attempts,
            interval=callback_interval,
            interval_exp=callback_interval_exp,
            payload=payload,
            template=template,
            new_entry=self.tasks.callback_entry,
        )

    def airflow_connection(self, *, auth: str = "basic", **extra: Any) -> dict[str, Any]:
        """
        Describe the Airflow connection to this simulator, as ``AIRFLOW_CONN_...`` takes it in JSON.

        :param auth: "basic" or "bearer"
        :param extra: further keys of the connection's extra
        """
        bearer = auth == "bearer"
        return {
            "conn_type": "automic",
            "host": self.url,
            "login": "" if bearer else self._user,
            "password": self._token if bearer else self._password,
            "extra": {"client": self.client, "auth": auth, **extra},
        }

    def app(self, listener: str) -> web.Application:
        """The web application, which sends callbacks for as long as it lives."""
        app = super().app(listener)
        app.cleanup_ctx.append(self.sender.outbox.background)
        return app

    def routes(self, listener: str) -> Iterable[Route]:
        """The vendor's paths."""
        base, run = f"{API}/{{client}}", f"{API}/{{client}}/executions/{{run_id}}"
        return [
            Route("GET", f"{API}/ping", "ping", self._ping),
            Route("GET", f"{base}/system/health", "health", self._let_in(self._health)),
            Route("POST", f"{base}/executions", "submit", self._let_in(self._start)),
            Route("GET", f"{base}/executions", "list", self._let_in(self._list)),
            Route("GET", run, "status", self._let_in(self._read)),
            Route("POST", f"{run}/status", "cancel", self._let_in(self._change)),
            Route("GET", f"{run}/children", "children", self._let_in(self._children)),
            Route("GET", f"{run}/reports", "reports", self._let_in(self._reports)),
            Route("GET", f"{run}/reports/{{type}}", "report", self._let_in(self._report)),
            Route("GET", f"{run}/variables", "variables", self._let_in(self._variables)),
            Route("GET", f"{run}/comments", "comments", self._let_in(self._comments)),
            Route("POST", f"{run}/comments", "comment", self._let_in(self._comment)),
        ]

    def _changed(self, run: Run) -> None:
        self.sender.changed(run)

    # -- scripting

    @property
    def runs(self) -> list[Run]:
        """All runs, in the order of their start; children, restarts and recurring tasks included."""
        return self.tasks.runs

    @property
    def callbacks(self) -> list[Callback]:
        """Callbacks of which at least one try was made."""
        return self.sender.callbacks

    def script(self, *, object_name: str | None = None, **changes: Any) -> None:
        """
        Say how the next run goes, once; call it several times for several runs.

        :param object_name: the next run of this object, None: of any
        :param changes: fields of :class:`~airflow_async_provider.simulators._automic_runs.Plan`
        :raises ValueError: unknown field
        """
        self.objects.script(object_name, changes)

    def run(self, run_id: int = -1) -> Run:
        """
        One run by its RunID, or by its place in :attr:`runs`, the latest one by default.

        :raises LookupError: when there is none
        """
        return self.tasks.run(run_id)

    def finish_run(self, run_id: int = -1, status: int = 1900) -> None:
        """Give a run a status now: an end, or 1560 to 1564 to block it."""
        self.run(run_id).set_status(status)

    def go_on(self, run_id: int = -1) -> None:
        """Let a run go on that is blocked or waits for its start time or its release."""
        self.run(run_id).go()

    def restart_run(self, run_id: int = -1) -> int:
        """Restart a run as somebody in Automic would; answers the new RunID."""
        return self.tasks.restart(self.run(run_id)).run_id

    def deactivate_run(self, run_id: int = -1) -> None:
        """Take a run from the default list."""
        self.run(run_id).deactivated_by_hand = True

    def forget_run(self, run_id: int = -1) -> None:
        """Archive a run: nobody knows it any more."""
        self.run(run_id).forgotten_by_hand = True

    def send_callback(self, run_id: int = -1, status: int | None = None) -> None:
        """Send one more callback now: a duplicate, a late one, or one that tells another status."""
        self.sender.send(self.run(run_id), status=status)

    def set_health(self, healthy: bool = True, ilm: bool = False) -> None:
        """Say how the health check answers, and whether ILM is at work."""
        self.healthy, self.ilm = healthy, ilm

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the control routes can do to this simulator."""
        return {
            **super().actions(),
            "script": self.script,
            "finish_run": self.finish_run,
            "go_on": self.go_on,
            "restart_run": self.restart_run,
            "deactivate_run": self.deactivate_run,
            "forget_run": self.forget_run,
            "send_callback": self.send_callback,
            "set_health": self.set_health,
        }

    def describe(self) -> dict[str, Any]:
        """Runs and callbacks; no addresses and headers of callbacks."""
        return {
            **super().describe(),
            "runs": [run.record() for run in self.runs],
            "callbacks": [callback.to_dict() for callback in self.sender.callbacks],
        }

    def reset(self) -> None:
        """Forget runs, callbacks and scripts as well."""
        super().reset()
        self.sender.clear()
        self.objects.clear()
        self.tasks.clear()
        self.healthy, self.ilm = True, False

    # -- answering

    def _let_in(self, handler: Handler) -> Handler:
        async def checked(request: web.Request) -> Reply:
            self.accounts.check(request)
            if self.ilm:
                raise refused(503, 0, "The REST API is momentarily not available due to ILM actions.")
            return await handler(request)

        return checked

    async def _ping(self, request: web.Request) -> Reply:
        return Reply()

    async def _health(self, request: web.Request) -> Reply:
        up = "UP" if self.healthy else "DOWN"
        parts = {name: {"status": up, "instancesRunning": 1} for name in ("pwp", "jwp", "cp")}
        return Reply.json({"status": up, **parts}, 200 if self.healthy else 503)

    async def _start(self, request: web.Request) -> Reply:
        body = await json_body(request)
        check_start(body, unknown_fields=self._unknown_fields)
        name = body["object_name"]
        plan = self.objects.next(name)
        if plan.refuse is not None:
            reason = "You are not authorized for this" if plan.refuse == 403 else "Cannot find the object"
            raise refused(plan.refuse, 0, f"{reason}: '{name}'.")
        recurring = body.get("execution_option") == "recurring"
        if recurring:
            plan = plan.changed({"phases": [[0.0, 1550]]})
        run = self.tasks.start(
            name,
            plan,
            body,
            start_at=start_of(body),
            object_type="C_PERIOD" if recurring else None,
        )
        if str(body.get("once", {}).get("wait_for_manual_release", "")).lower() == "true":
            run.set_status(1693)
        self.journal.note("job_started")
        # "The execution is carried out but the callback does not take effect" for recurring ones.
        if "callback" in body and not recurring:
            for _ in range(plan.callbacks if plan.callback_at == "submit" else 0):
                await self.sender.post(run)
            self.sender.expect(run)
        return Reply.json({"run_id": run.run_id})

    async def _list(self, request: web.Request) -> Reply:
        query = Query(request.query.items(), leading_wildcards=self.leading_wildcards)
        return Reply.json(page(self.tasks.all(), query, longest=self.longest_page))

    async def _read(self, request: web.Request) -> Reply:
        return Reply.json(self._wanted(request).record())

    async def _children(self, request: web.Request) -> Reply:
        run = self._wanted(request)
        return Reply.json(page(run.children, Query(request.query.items()), filtered=False))

    async def _change(self, request: web.Request) -> Reply:
        run, body = self._wanted(request), await json_body(request)
        action = str(body.get("action", "")).lower()
        if action == "cancel":
            recursive = str((body.get("cancel") or {}).get("recursive", "")).lower() == "true"
            if recursive and run.type not in WITH_CHILDREN:
                raise bad_request(f"A task of type {run.type} cannot be cancelled recursively.")
            if run.ended:
                raise not_active(run.run_id)
            run.cancel(recursive=recursive)
            self.journal.note("job_cancelled")
            return Reply.json({})
        if action == "restart":
            if not run.ended:
                raise refused(403, 11191, f"Task with RunID '{run.run_id:010}' has not ended.")
            changes = body.get("restart") or {}
            return Reply.json({"run_id": self.tasks.restart(run, changes.get("inputs")).run_id})
        raise bad_request("action is not valid.")

    async def _reports(self, request: web.Request) -> Reply:
        return Reply.json(self._wanted(request).reports())

    async def _report(self, request: web.Request) -> Reply:
        run, kind, query = self._wanted(request), request.match_info["type"], Query(request.query.items())
        if not any(entry["type"] == kind and entry["is_db"] for entry in run.reports()):
            raise refused(404, 0, f"There is no report {kind} in the database.")
        most = query.number("max_results", 1) or 0
        start = query.number("start_at", 1, least=1) or 1
        pages = run.report_pages(kind)
        data = [{"page": n, "content": text} for n, text in enumerate(pages, 1)][start - 1 : start - 1 + most]
        more = start - 1 + most < len(pages)
        return Reply.json({"total": len(pages), "data": data, "hasmore": more})

    async def _variables(self, request: web.Request) -> Reply:
        return Reply.json(self._wanted(request).variables)

    async def _comments(self, request: web.Request) -> Reply:
        return Reply.json(self._wanted(request).comments)

    async def _comment(self, request: web.Request) -> Reply:
        run, body = self._wanted(request), await json_body(request)
        if not isinstance(body.get("comment"), str) or not body["comment"]:
            raise bad_request("comment must not be empty.")
        run.comments.append(
            {"timestamp": stamp(self.clock.now()), "user": self._user, "comment": body["comment"]}
        )
        return Reply.json({})

    def _wanted(self, request: web.Request) -> Run:
        text = request.match_info["run_id"]
        run = self.tasks.get(int(text)) if text.isascii() and text.isdigit() else None
        if run is None:
            raise no_such_run(text)
        return run
