"""Metrics of ``heygem serve`` for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from heygem_cli.serve.service import RenderService

PHASES = ("done", "failed", "canceled")


class ServiceCollector(Collector):
    """Collects what the service knows when it is asked."""

    def __init__(self, service: RenderService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        statistics = self._service.statistics
        jobs = self._service.jobs()
        running = [job for job in jobs if job.phase == "running"]
        waiting = sum(job.phase == "queued" for job in jobs)
        yield GaugeMetricFamily("heygem_queue_length", "Jobs that wait.", waiting)
        yield GaugeMetricFamily("heygem_jobs_running", "Jobs that run.", len(running))
        yield GaugeMetricFamily("heygem_ready", "1 if jobs can be rendered.", int(self._service.ready()))
        rate = next((job.frames_per_second for job in running if job.frames_per_second), 0.0)
        yield GaugeMetricFamily("heygem_frames_per_second", "Frames a second of the job that runs.", rate)
        ended = CounterMetricFamily("heygem_jobs", "Jobs that ended since the start, by result.", labels=["result"])
        for phase in PHASES:
            ended.add_metric([phase], statistics.jobs[phase])
        yield ended
        yield CounterMetricFamily("heygem_job_seconds", "Seconds for which jobs ran.", statistics.seconds)
        yield CounterMetricFamily("heygem_frames", "Frames of the videos that are done.", statistics.frames)
        text = "How often the worker's process was replaced."
        yield CounterMetricFamily("heygem_worker_restarts", text, statistics.worker_restarts)
        size = self._service.store.size()
        yield GaugeMetricFamily("heygem_folder_bytes", "Size of the folder that --quota limits.", size)


def exposition(service: RenderService) -> bytes:
    """Return all metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(service))
    return generate_latest(registry)
