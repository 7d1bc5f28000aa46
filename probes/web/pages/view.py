"""What every page shows around its content, and small values that several pages show."""

from probes.service.job import CallJob, DiscoveryJob, JobState
from probes.web.pages.tones import Badge
from sipcore.value import value


@value
class View:
    """The frame of a page: its title, the address in the navigation that it belongs to, and who looks at it."""

    title: str
    here: str = ""
    tenant: str = ""
    """Empty for nobody who is logged in."""
    csrf: str = ""
    """What forms send back, so that no other site can send them."""
    may_write: bool = False
    alerts: int = 0
    """Open ones."""
    notice: str = ""


@value
class JobLine:
    """A job in a list."""

    id: str
    target: str
    started_at: float
    badge: Badge
    why: str


PROGRESS = {
    "queued": "waiting for its turn",
    "initiated": "calling",
    "ringing": "ringing",
    "in-progress": "answered: listening",
}
"""What is told of a call that goes on."""
_STATUSES = {"connected": "good", "failed": "bad", "busy": "fair", "no_answer": "fair"}


def call_line(job: CallJob) -> JobLine:
    """A test call in a list."""
    if job.state is JobState.RUNNING:
        return JobLine(job.id, job.target, job.started_at, Badge("note", PROGRESS.get(job.progress, job.progress)), "")
    data = job.data or {}
    status = str(data.get("status", "failed"))
    badge = Badge(_STATUSES.get(status, "fair"), status.replace("_", " "))
    return JobLine(job.id, job.target, job.started_at, badge, job.error or str(data.get("why", "")))


def discovery_line(job: DiscoveryJob) -> JobLine:
    """A discovery in a list."""
    if job.state is JobState.RUNNING:
        return JobLine(job.id, job.target, job.started_at, Badge("note", "under way"), "")
    if job.state is JobState.FAILED:
        return JobLine(job.id, job.target, job.started_at, Badge("bad", "failed"), job.error)
    data = job.data or {}
    way = data.get("recommendation")
    if way is None:
        return JobLine(job.id, job.target, job.started_at, Badge("bad", "no answer"), str(data.get("failure") or ""))
    told = ", ".join(str(part) for part in (way.get("uri"), way.get("system")) if part)
    return JobLine(job.id, job.target, job.started_at, Badge("good", "answers"), told)
