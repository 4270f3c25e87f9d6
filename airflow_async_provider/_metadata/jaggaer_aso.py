# SPDX-License-Identifier: Apache-2.0
"""JAGGAER ASO."""

from __future__ import annotations

from airflow_async_provider._metadata.system import (
    PACKAGE,
    System,
    allowed_hosts,
    choice,
    job_url,
    network_fields,
    secret,
    text,
)

JAGGAER_ASO = System(
    name="JAGGAER ASO",
    url="https://docs.aso.engineering/",
    operators={
        "jaggaer_aso": {
            "JaggaerAsoDownloadOperator": "Start an asynchronous download at JAGGAER ASO, wait for it "
            "without a worker, and store the file",
            "JaggaerAsoSubmitOperator": "Start an asynchronous download at JAGGAER ASO and return its job "
            "handle",
        }
    },
    hooks={"jaggaer_aso": {"JaggaerAsoHook": "Talk to JAGGAER ASO"}},
    protocols={"jaggaer_aso": "_jaggaer_aso.JaggaerAsoProtocol"},
    hook="jaggaer_aso.JaggaerAsoHook",
    simulators={"aso": "aso.AsoSimulator"},
    connection={
        "connection-type": "jaggaer_aso",
        "hook-class-name": f"{PACKAGE}.hooks.jaggaer_aso.JaggaerAsoHook",
        "hook-name": "JAGGAER ASO",
        "ui-field-behaviour": {
            "hidden-fields": ["schema"],
            "relabeling": {
                "host": "Host (base URL)",
                "login": "Login (client id)",
                "password": "Password (token or client secret)",
            },
            "placeholders": {"host": "https://ees.aso-api.jaggaer.com", "port": "443"},
        },
        "conn-fields": {
            "api_key": secret("API key", "Sent as X-API-Key."),
            "token_url": text(
                "Token URL",
                "OAuth 2.0 token endpoint for client id and client secret. Empty for a ready token.",
            ),
            "scope": text("Scope", "OAuth 2.0 scope, when your tenant wants one."),
            "token_api_key": choice(
                "API key with the token request",
                "Empty is true. With false the token request goes without the API key.",
                "true",
                "false",
            ),
            "accept": text(
                "Media type",
                "Empty for EES. For CHES: application/vnd.sciquest.com.ches+json.",
            ),
            **allowed_hosts(),
            **job_url(),
            **network_fields(),
        },
    },
)
