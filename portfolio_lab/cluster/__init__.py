"""Many machines: Dask workers read the accounts and reckon figures; one committer stores (extra `cluster`)."""

from __future__ import annotations

from portfolio_lab.cluster.client import reading_workers
from portfolio_lab.cluster.figures import days_of, everybody_on_workers, everybody_reckoned, performance_of
from portfolio_lab.cluster.shards import sharded
from portfolio_lab.cluster.worker import Place

__all__ = [
    "Place",
    "days_of",
    "everybody_on_workers",
    "everybody_reckoned",
    "performance_of",
    "reading_workers",
    "sharded",
]
