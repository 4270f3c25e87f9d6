# SPDX-License-Identifier: Apache-2.0
"""
Faults on a real Airflow while remote jobs are under way, and what became of every job: ``make chaos``.

A world (:mod:`~tests.chaos.world`) is started once. For each fault (:mod:`~tests.chaos.faults`) a scene
(:mod:`~tests.chaos.scene`) starts jobs of all kinds, the fault strikes, and when all is over the ledger
(:mod:`~tests.chaos.ledger`) compares what Airflow says, what the simulators counted and what lies at the
destinations. At the end all secrets are searched for (:mod:`~tests.chaos.canaries`).
"""
