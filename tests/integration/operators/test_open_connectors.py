# SPDX-License-Identifier: Apache-2.0
"""
The SAP Open Connectors operators against the simulated platform and the real receiver, over real sockets.

Airflow's part is played, see ``played_airflow``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from airflow.sdk import DAG

from airflow_async_provider._transport import retries as again
from airflow_async_provider.errors import (
    AuthenticationError,
    CallbackError,
    ConfigurationError,
    DestinationExistsError,
    JobFailedError,
    JobTimeoutError,
    SubmitError,
    SubmitUnknownError,
    TransientError,
)
from airflow_async_provider.operators.open_connectors import (
    OpenConnectorsAsyncRequestOperator,
    OpenConnectorsBulkDownloadOperator,
    OpenConnectorsBulkUploadOperator,
)
from airflow_async_provider.simulators._open_connectors_webhooks import TAMPERED
from tests.support.played_airflow import PlayedAirflow, airflow  # noqa: F401 - a fixture

pytest_plugins = ["airflow_async_provider.simulators.pytest_plugin"]

KEY = "MySecretEventSignatureKey"
COPY = {
    "endpoint": "hubs/documents/folders/copy",
    "params": {"path": "/TestFolderCreate"},
    "json": {"path": "/testfoldercopy", "tags": ["TestFolderCopy"], "name": "TestFolderCopy"},
}
#: the response of SAP's page "Asynchronous API Requests"
RESPONSE = {
    "events": [
        {
            "path": "/testfoldercopy",
            "metadata": {"path": "/TestFolderCopy", "name": "TestFolderCopy", "type": "folder"},
        },
        {
            "path": "/testfoldercopy/testuploadfile.txt",
            "metadata": {
                "path": "/TestFolderCopy/testUploadFile.txt",
                "name": "testUploadFile.txt",
                "type": "file",
            },
        },
    ]
}


def simulator(**options: Any) -> Any:
    return pytest.mark.parametrize(
        "open_connectors_simulator", [{"signature_key": KEY, "seconds": 0.1, **options}], indirect=True
    )


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Another try of a request comes at once here: what is tested is that it comes."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(again, "MAX_PAUSE", 0.01)


@pytest.fixture
def sap(open_connectors_simulator, open_connectors_connection):
    return open_connectors_simulator


@pytest.fixture
def try_(airflow: PlayedAirflow):
    """Run one try of an asynchronous request."""

    def run(cls: Any = OpenConnectorsAsyncRequestOperator, **changes: Any) -> Any:
        arguments = {"callback_base_url": airflow.url, "timeout": 10, **changes}
        if cls is OpenConnectorsAsyncRequestOperator:
            arguments = {**COPY, **arguments}
        else:
            arguments = {"poll_interval": 0.05, "max_poll_interval": 0.1, **arguments}
        return airflow.run(lambda: cls(task_id="t", **arguments))

    return run


def secrets_of(sap: Any) -> list[str]:
    """Callback secrets that SAP has been given."""
    return [job.url.rpartition("/")[2] for job in sap.requests.jobs]


# -- asynchronous requests


@simulator()
def test_a_folder_copy_ends_by_its_signed_webhook(sap, airflow, try_, caplog, capsys):
    caplog.set_level("DEBUG")
    assert try_() == RESPONSE
    assert airflow.deferrals == 1
    assert sap.journal.jobs_started == sap.journal.submits == 1
    assert sap.journal.polls == 0
    # Two webhooks: the one that tells of the start is taken, and wakes nobody.
    assert sap.journal.wait(lambda j: j.noted("webhook_accepted") == 2)
    [secret] = secrets_of(sap)
    logs = caplog.text + capsys.readouterr().out
    assert "Asked for a callback" in logs
    for place in (logs, repr(airflow.triggers), json.dumps(airflow.xcoms), json.dumps(airflow.store)):
        assert secret not in place
        assert KEY not in place
    # Airflow may not have heard of that success, as the worker was killed at that very moment.
    airflow.new_try()
    assert try_() == RESPONSE
    assert sap.journal.submits == 1
    airflow.clear()
    assert try_() == RESPONSE
    assert sap.journal.submits == 2


@pytest.mark.parametrize(
    "open_connectors_simulator",
    [
        {"signature_key": key, "seconds": 0.1, "plan": {"response": {"name": "Käse €"}}}
        for key in ("Schlüssel € 日本", " spaces around ", "[no list", "c2VjcmV0Cg==", "with\nbreak")
    ],
    indirect=True,
)
def test_a_key_is_signed_with_as_it_is_written(sap, try_):
    assert try_() == {"name": "Käse €"}
    assert sap.journal.wait(lambda j: j.noted("webhook_accepted") == 2)


@simulator(event_id_form="string", event_id_place="message")
def test_the_id_may_be_text_and_stand_under_message(sap, try_):
    assert try_() == RESPONSE


@simulator(plan={"before_answer": True, "seconds": 0})
def test_a_webhook_that_is_faster_than_the_answer_is_not_lost(sap, airflow, try_):
    assert try_() == RESPONSE
    assert airflow.deferrals == 0


@simulator(plan={"notifications": ["done", "started"], "copies": 3})
def test_repetitions_and_disorder_are_harmless(sap, airflow, try_):
    assert try_() == RESPONSE
    assert sap.journal.wait(lambda j: j.noted("webhook_accepted") == 6)
    assert airflow.deferrals == 1
    sap.requests.send_webhook()  # late: the task has ended
    assert sap.journal.wait(lambda j: j.noted("webhook_accepted") == 7)
    assert airflow.woken.empty()


@pytest.mark.parametrize("tamper", TAMPERED)
@simulator(seconds=None, plan={"notifications": []})
def test_a_webhook_that_is_not_signed_so_never_ends_the_task(sap, airflow, try_, tamper):
    def interfere() -> None:
        airflow.until(lambda: airflow.state == "deferred")
        sap.requests.send_webhook(tamper=tamper)
        airflow.until(lambda: sap.webhooks.deliveries and sap.webhooks.deliveries[0].answers)
        sap.requests.send_webhook()

    helper = threading.Thread(target=interfere)
    helper.start()
    assert try_() == RESPONSE
    helper.join()
    assert sap.journal.wait(lambda j: j.noted("webhook_accepted") == 1)
    assert [delivery.answers for delivery in sap.webhooks.deliveries] == [[401], [200]]
    assert airflow.deferrals == 1


@simulator(seconds=None, plan={"notifications": []})
def test_a_genuine_body_at_a_forged_address_ends_nothing(sap, airflow, try_):
    from airflow_async_provider.simulators._open_connectors_webhooks import sign

    body = json.dumps({"eventId": 1028, "response": {"forged": True}}).encode()

    def interfere() -> None:
        airflow.until(lambda: airflow.state == "deferred")
        base, _, secret = sap.requests.job().url.rpartition("/")
        headers = {"Elements-Webhook-Signature": sign(KEY, body)}
        for url in (base, f"{base}/", f"{base}/{secret[:-1]}", f"{base}/{secret}x", f"{base}x/{secret}"):
            answer = requests.post(url, data=body, headers=headers, timeout=10)
            assert answer.status_code in (401, 404), url
        sap.requests.send_webhook()

    helper = threading.Thread(target=interfere)
    helper.start()
    assert try_() == RESPONSE
    helper.join()


def first_another_webhook(sap, airflow, payload):
    """While the task waits: this webhook, and once it was answered the one with the result."""

    def interfere() -> None:
        airflow.until(lambda: airflow.state == "deferred")
        sap.requests.send_webhook(payload=payload)
        airflow.until(lambda: airflow.state == "deferred" and sap.webhooks.deliveries[0].answers)
        sap.requests.send_webhook()

    helper = threading.Thread(target=interfere)
    helper.start()
    return helper


@simulator(seconds=None, plan={"notifications": []})
@pytest.mark.parametrize(
    "start",
    [
        {"eventId": 1028, "eventStatus": "dispatched", "response": {}},
        {"eventId": 1028, "response": {"eventId": 1028, "eventStatus": "dispatched"}},
    ],
)
def test_the_news_of_the_start_is_no_result_in_any_form(sap, airflow, try_, start):
    helper = first_another_webhook(sap, airflow, start)
    assert try_() == RESPONSE
    helper.join()
    assert sap.webhooks.deliveries[0].answers == [200]


@simulator(seconds=None, plan={"notifications": []})
def test_a_replayed_webhook_of_another_request_never_ends_the_task(sap, airflow, try_):
    """Authentic in every way, signature included, but about another event."""
    helper = first_another_webhook(sap, airflow, {"eventId": 999, "response": {"of": "another"}})
    assert try_() == RESPONSE
    helper.join()


@pytest.mark.parametrize("failure", ["error", "platform", "response"])
@simulator(outcome="failed")
def test_a_failed_request_fails_and_shows_what_came(sap, airflow, try_, failure):
    sap.script(failure=failure)
    with pytest.raises(JobFailedError) as caught:
        try_()
    message = str(caught.value)
    assert "POST hubs/documents/folders/copy" in message
    assert "1028" in message
    assert "body began" in message
    if failure == "response":
        assert "Item with the same name already exists" in message
        assert "53dbca9430045c016b46566c" in message
    assert secrets_of(sap)[0] not in message
    # A retry sends the request again: the failure was certain.
    airflow.new_try()
    sap.script(outcome="completed")
    assert try_() == RESPONSE
    assert sap.journal.jobs_started == 2


@simulator(plan={"response": {"result": "rejected"}})
def test_the_user_s_rule_counts(sap, try_):
    with pytest.raises(JobFailedError, match="rejected"):
        try_(failure_rule=["response.result==rejected"])


def test_a_rule_that_cannot_be_understood_fails_the_dag():
    with pytest.raises(ConfigurationError, match="failure_rule"):
        OpenConnectorsAsyncRequestOperator(task_id="t", endpoint="x", failure_rule="error")


@simulator(plan={"response": {"text": "ü\ud800", "n": [1, 2]}})
def test_the_response_goes_to_a_destination(sap, airflow, try_, tmp_path):
    path = tmp_path / "r.json"
    report = try_(destination=str(path))
    assert json.loads(path.read_bytes()) == {"text": "ü\ud800", "n": [1, 2]}
    assert report["bytes"] == path.stat().st_size
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (report["uri"], report["via"], report["content_type"]) == (
        path.as_uri(),
        "callback",
        "application/json",
    )
    again_ = try_(destination=str(path), if_exists="skip")
    assert (again_["skipped"], again_["bytes"]) == (True, report["bytes"])
    airflow.clear()
    with pytest.raises(DestinationExistsError):
        try_(destination=str(path), if_exists="fail")
    assert sap.journal.submits == 1


@simulator()
def test_without_an_address_nothing_is_sent_and_the_message_says_what_to_set(sap, try_, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    with pytest.raises(
        ConfigurationError, match=r"callback_base_url on the operator, in the connection's extra"
    ):
        try_(callback_base_url=None)
    assert sap.journal.entries() == []


@simulator()
def test_after_such_an_error_a_retry_may_send(sap, airflow, try_, monkeypatch):
    with pytest.raises(ConfigurationError):
        try_(callback_base_url="not an address")
    airflow.new_try()
    assert try_() == RESPONSE


@simulator()
def test_the_address_may_stand_in_the_connection(sap, airflow, try_, monkeypatch):
    connection = sap.airflow_connection(callback_base_url=airflow.url)
    monkeypatch.setenv("AIRFLOW_CONN_OC_TEST", json.dumps(connection))
    assert try_(callback_base_url=None, conn_id="oc_test") == RESPONSE


@simulator(plan={"response": {"large": "x" * 5000}})
def test_a_webhook_that_is_too_large_fails_the_task_at_once(sap, airflow, try_):
    with pytest.raises(CallbackError, match=r"callback_max_bytes.*2000"):
        try_(callback_max_bytes=2000)
    # The request has been carried out: a retry must neither send it again nor wait for ever.
    airflow.new_try()
    with pytest.raises(CallbackError, match="reattach=False"):
        try_(callback_max_bytes=2000)
    assert sap.journal.submits == 1
    airflow.new_try()
    report = try_(callback_max_bytes=6000, reattach=False)
    assert (len(report["large"]), sap.journal.submits) == (5000, 2)


@simulator(seconds=None)
def test_the_deadline_names_the_address_and_a_retry_goes_on_waiting(sap, airflow, try_):
    with pytest.raises(JobTimeoutError) as caught:
        try_(timeout=0.4)
    message = str(caught.value)
    assert f"{airflow.url}/async-provider/callbacks/v1/" in message
    assert secrets_of(sap)[0] not in message
    assert "signature_secret" in message
    airflow.new_try()
    finisher = threading.Timer(0.5, sap.requests.finish)
    finisher.start()
    assert try_() == RESPONSE
    finisher.join()
    assert sap.journal.submits == 1


@simulator(seconds=None)
def test_a_webhook_between_two_tries_is_not_lost(sap, airflow, try_):
    with pytest.raises(JobTimeoutError):
        try_(timeout=0.4)
    airflow.new_try()
    sap.requests.finish()
    assert sap.journal.wait(lambda j: j.noted("webhook_accepted") == 2)
    assert try_() == RESPONSE
    assert sap.journal.submits == 1


@simulator()
def test_without_a_triggerer_the_worker_waits_at_the_mailbox(sap, airflow, try_):
    assert try_(deferrable=False) == RESPONSE
    assert airflow.deferrals == 0


@simulator()
def test_lingering_saves_the_deferral(sap, airflow, try_):
    assert try_(linger=5) == RESPONSE
    assert airflow.deferrals == 0


@simulator()
def test_a_refused_request_may_be_sent_by_a_retry(sap, airflow, try_):
    sap.faults.add("submit", "http_status", status=401)
    with pytest.raises(AuthenticationError):
        try_()
    airflow.new_try()
    with pytest.raises(SubmitError, match="The folder was not found"):
        try_(params={"path": "/Nowhere"})
    airflow.new_try()
    assert try_() == RESPONSE


@simulator()
def test_a_request_of_unknown_fate_is_sent_again_only_by_a_person(sap, airflow, try_):
    sap.faults.add("submit", "reset", processed=True)
    with pytest.raises(SubmitUnknownError):
        try_()
    airflow.new_try()
    with pytest.raises(SubmitUnknownError, match="Look at the provider"):
        try_()
    assert sap.journal.submits == 1
    airflow.new_try()
    airflow.max_tries += 1  # somebody has cleared the task
    assert try_() == RESPONSE


@simulator()
def test_a_get_of_unknown_fate_is_simply_sent_again(sap, airflow, try_):
    sap.faults.add("submit", "reset", processed=True, times=5)
    arguments = {"method": "get", "endpoint": "hubs/crm/contacts", "json": None}
    with pytest.raises(TransientError):
        try_(**arguments)
    airflow.new_try()
    assert try_(**arguments)["method"] == "GET"


@simulator(policy="queue", plan={"seconds": 0.3})
def test_without_inbound_access_webhooks_are_fetched_from_the_queue(sap, airflow, try_, tmp_path):
    pull = {"pull_queued": True, "callback_base_url": "http://127.0.0.1:9", "poll_interval": 0.1}
    assert try_(**pull) == RESPONSE
    assert sap.journal.count("deliveries") >= 1
    assert sap.requests.job().url.startswith("http://127.0.0.1:9/async-provider/nobody/")
    assert airflow.xcoms == {}
    airflow.clear()
    report = try_(**pull, destination=str(tmp_path / "r"))
    assert report["via"] == "poll"
    airflow.clear()
    sap.script(outcome="failed")
    with pytest.raises(JobFailedError, match="The copy failed"):
        try_(**pull)


@simulator(policy="queue")
def test_the_receiver_s_own_address_serves_the_queue_as_well(sap, airflow, try_):
    assert try_(pull_queued=True, poll_interval=0.1) == RESPONSE


@simulator(seconds=None, policy="queue")
def test_the_queue_s_way_knows_its_limits(sap, airflow, try_, monkeypatch):
    with pytest.raises(JobTimeoutError):
        try_(pull_queued=True, poll_interval=0.1, timeout=0.4)
    airflow.new_try()
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "")
    airflow.store.clear()
    with pytest.raises(ConfigurationError, match="nothing needs to be reachable there"):
        try_(pull_queued=True, callback_base_url=None)
    without = {k: v for k, v in sap.airflow_connection()["extra"].items() if k != "organization_secret"}
    monkeypatch.setenv("AIRFLOW_CONN_OC_TEST", json.dumps({**sap.airflow_connection(), "extra": without}))
    with pytest.raises(ConfigurationError, match="organization_secret"):
        try_(pull_queued=True, conn_id="oc_test")
    assert sap.journal.submits == 1


def test_dag_params_never_reach_sap():
    with DAG("d", params={"folder": "/x"}):
        task = OpenConnectorsAsyncRequestOperator(task_id="t", endpoint="x", params={"path": "/y"})
        other = OpenConnectorsAsyncRequestOperator(task_id="u", endpoint="x")
    assert (task.query, other.query) == ({"path": "/y"}, {})


def test_the_operators_can_be_mapped_and_rendered():
    with DAG("d"):
        OpenConnectorsAsyncRequestOperator.partial(task_id="a", endpoint="x").expand(
            json=[{"a": 1}, {"a": 2}]
        )
        OpenConnectorsBulkDownloadOperator.partial(task_id="b", object_name="o").expand(
            destination=["/tmp/1", "/tmp/2"]
        )
    for cls in (
        OpenConnectorsAsyncRequestOperator,
        OpenConnectorsBulkDownloadOperator,
        OpenConnectorsBulkUploadOperator,
    ):
        arguments = {"endpoint": "x"} if cls is OpenConnectorsAsyncRequestOperator else {"object_name": "o"}
        if cls is OpenConnectorsBulkDownloadOperator:
            arguments["destination"] = "/tmp/x"
        elif cls is OpenConnectorsBulkUploadOperator:
            arguments["source"] = "/tmp/x"
        task = cls(task_id="t", **arguments)
        for field in cls.template_fields:
            assert hasattr(task, field), field
