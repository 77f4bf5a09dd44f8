"""What the page shows of jobs, as HTML: plain functions of a job and of the texts of a language."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from heygem_cli.errors import HeygemError
from heygem_cli.serve.job import ServedJob
from heygem_cli.serve.page_options import option_texts, text_key
from heygem_cli.serve.texts import Texts, errors_in_chinese


def escape(text: object) -> str:
    """Return text for HTML, also for attributes in double quotes."""
    return html.escape(str(text))


def error_line(said: str) -> str:
    """Return an error as a line that screen readers say at once."""
    return f'<p class="problem" role="alert">{escape(said)}</p>'


def error_of(error: HeygemError, paths: Iterable[str], texts: Texts) -> str:
    """Return an error, in which files are called as the user calls them, without their folders."""
    message = error.message
    for path in paths:
        message = message.replace(path, Path(path).name)
    return error_with_code(error.code, message, error.hint, texts)


def error_with_code(code: str, message: str, hint: str, texts: Texts) -> str:
    """Return an error in a language: in Chinese what its code means, and below it what is said of this case."""
    said = f"{message}. {hint}" if hint else message
    known = errors_in_chinese().get(code) if texts.language == "zh-CN" else None
    if known is None:
        return error_line(said)
    meaning = "".join(f"{_marked(text.removesuffix('。'))}。" for text in known if text)
    return f'<div class="problem" role="alert"><p>{meaning}</p><p class="detail" lang="en">{escape(said)}</p></div>'


def _marked(text: str) -> str:
    """Return a text with code between backticks as HTML."""
    parts = [escape(part) for part in text.split("`")]
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def activity(text: str) -> str:
    """Return what is being done at the moment, with a sign that moves."""
    return f'<p class="activity">{escape(text)}</p>'


def again(job: ServedJob, texts: Texts) -> str:
    """Return the note that stands for the files of an earlier job."""
    said = texts.again_files.format(audio=job.audio_name, face=job.face_name)
    return f'<p>{escape(said)} <a href="./">{escape(texts.other_files)}</a></p>'


def job_link(job_id: str) -> str:
    """Return the address of a job's page, relative to the first page."""
    return f"job?{urlencode({'id': job_id})}"


def title(job: ServedJob) -> str:
    """Return the heading of a job's page."""
    return (
        f'<h2 class="job-title">{escape(job.face_name)} <span aria-hidden="true">·</span> {escape(job.audio_name)}</h2>'
    )


def phase(job: ServedJob, texts: Texts) -> str:
    """Return in words what a job does at the moment."""
    if job.phase == "queued":
        return texts.no_room if job.error is not None else texts.queued.format(position=job.position)
    if job.phase == "running" and job.progress is not None:
        return str(getattr(texts, f"stage_{job.progress.stage}"))
    return str(getattr(texts, job.phase))


def status(job: ServedJob, texts: Texts) -> str:
    """Return the phase of a job, and its error."""
    said = f'<p class="phase phase-{job.phase}">{escape(phase(job, texts))}</p>'
    if job.error is None or job.phase != "failed":
        return said
    return said + error_with_code(job.error["code"], job.error["message"], job.error.get("hint", ""), texts)


def progress(job: ServedJob, texts: Texts) -> str:
    """Return the bar, the percentage, the speed and the time that is left."""
    if job.phase != "running":
        return ""
    facts = [f"{job.percent} %"]
    if job.frames_per_second is not None:
        facts.append(texts.frames_per_second.format(rate=f"{job.frames_per_second:.0f}"))
    if job.seconds_left is not None:
        facts.append(texts.left.format(time=duration(job.seconds_left)))
    listed = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    bar = f'<progress max="100" value="{job.percent}" aria-label="{escape(texts.progress)}"></progress>'
    return f'{bar}<p class="facts">{listed}</p>'


def duration(seconds: float) -> str:
    """Return a duration as a clock shows it: ``0:07``, ``1:02:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def preview(job: ServedJob, texts: Texts) -> str:
    """Return the last preview frame of a job that is being drawn."""
    if job.phase != "running" or job.preview is None or not job.preview.exists():
        return ""
    version = job.preview.stat().st_mtime_ns
    address = escape(f"page/{job.id}/preview?{version}")
    return f'<img class="preview" src="{address}" alt="{escape(texts.preview)}">'


def result(job: ServedJob, texts: Texts) -> str:
    """Return the finished video with its download, its warnings and its figures."""
    if job.phase != "done" or job.result is None:
        return ""
    address = escape(f"page/{job.id}/video")
    video = (
        f'<video controls playsinline preload="metadata" src="{address}" aria-label="{escape(texts.video)}"></video>'
        f'<p><a class="button primary" href="{address}?download" download>{escape(texts.download)}</a></p>'
    )
    return video + _warnings(job.result, texts) + _table(texts.figures, figures(job.result, texts))


def links(job: ServedJob, texts: Texts) -> str:
    """Return the links to the page with the files of a job, and to the one for new files."""
    again = _again_link(job, texts, "button") if job.has_ended else ""
    return f"<p>{again} {new_link(texts)}</p>"


def _again_link(job: ServedJob, texts: Texts, kind: str) -> str:
    address = escape(f"./?{urlencode({'again': job.id})}")
    return f'<a class="{kind}" href="{address}">{escape(texts.again)}</a>'


def new_link(texts: Texts) -> str:
    """Return the link to the first page."""
    return f'<a class="button" href="./">{escape(texts.new_video)}</a>'


def _warnings(facts: Mapping[str, Any], texts: Texts) -> str:
    """Return what there is to note: frames without a drawn mouth, and what the program says of the files."""
    notes = ""
    if reasons := _listed(not_drawn(facts, texts), texts):
        count = sum(not_drawn(facts, texts).values())
        said = texts.not_drawn.format(count=count, total=facts["frames"], reasons=reasons)
        notes += f"<p>{escape(said)}</p>"
    if facts["warnings"]:
        items = "".join(f"<li>{escape(warning)}</li>" for warning in facts["warnings"])
        notes += f'<p>{escape(texts.about_files)}</p><ul lang="en">{items}</ul>'
    return f'<section class="warnings"><h3>{escape(texts.warnings)}</h3>{notes}</section>' if notes else ""


def figures(facts: Mapping[str, Any], texts: Texts) -> dict[str, str]:
    """Return the figures of a result with their names; those that the engine does not know are left out."""
    shown = {
        texts.length: f"{facts['duration']:.2f} s",
        texts.picture: f"{facts['width']}×{facts['height']}, {facts['fps']:g} fps",
        texts.frames: frames(facts, texts),
        texts.shots: facts["shots"],
        texts.shown_people: facts["people"],
        texts.work: f"{sum(facts['seconds'].values()):.1f} s ({facts['engine']})",
        texts.size: size(facts["bytes"]),
    }
    return {name: str(value) for name, value in shown.items() if value is not None}


def size(count: int) -> str:
    """Return a number of bytes in words: ``31 kB``, ``2.4 MB``."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def frames(facts: Mapping[str, Any], texts: Texts) -> str:
    """Return the number of frames, and how many were rendered or why not."""
    total = facts["frames"]
    if facts["frames_with_face"] is None:
        return str(total)
    missing = not_drawn(facts, texts)
    return f"{total}{texts.colon}" + _listed({texts.rendered: total - sum(missing.values()), **missing}, texts)


def not_drawn(facts: Mapping[str, Any], texts: Texts) -> dict[str, int]:
    """Return the numbers of frames in which the mouth was not drawn, by their reasons; 0 where it is unknown."""
    other_person = facts["frames_other_person"] or 0
    return {
        texts.no_face: (facts["frames_without_face"] or 0) - other_person,
        texts.other_person: other_person,
        texts.covered: facts["frames_covered"] or 0,
        texts.turned_away: facts["frames_turned_away"] or 0,
        texts.outside: facts["frames_outside"] or 0,
    }


def _listed(counts: Mapping[str, int], texts: Texts) -> str:
    """Return the counts that are not 0."""
    return texts.comma.join(texts.counted.format(name=name, count=count) for name, count in counts.items() if count)


def _table(heading: str, rows: Mapping[str, str]) -> str:
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
    return f"<section><h3>{escape(heading)}</h3><dl>{cells}</dl></section>"


def settings(job: ServedJob, texts: Texts) -> str:
    """Return the options that were given to a job."""
    named = named_options(job.options, texts)
    if not named:
        return f"<section><h3>{escape(texts.settings)}</h3><p>{escape(texts.defaults)}</p></section>"
    return _table(texts.settings, named)


def named_options(options: Mapping[str, object], texts: Texts) -> dict[str, str]:
    """Return options with their names in a language."""
    labels = option_texts(texts.language) | {text_key("person", "label"): texts.person}
    return {labels.get(text_key(name, "label"), name): str(value) for name, value in options.items()}


def history(jobs: Iterable[ServedJob], texts: Texts) -> str:
    """Return a list of jobs with links to their pages, and with their options."""
    items = "".join(_history_item(job, texts) for job in jobs)
    listed = f'<ol class="history">{items}</ol>' if items else f"<p>{escape(texts.no_history)}</p>"
    return f"<h2>{escape(texts.history)}</h2>{listed}"


def _history_item(job: ServedJob, texts: Texts) -> str:
    named = named_options(job.options, texts)
    options = texts.comma.join(f"{name}{texts.colon}{value}" for name, value in named.items())
    again = _again_link(job, texts, "again") if job.has_ended else ""
    listed = f"<span>{escape(options)}</span>" if options else ""
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.created))
    return (
        f'<li><p><a href="{escape(job_link(job.id))}">{escape(job.face_name)} · {escape(job.audio_name)}</a> '
        f'<span class="phase phase-{job.phase}">{escape(phase(job, texts))}</span></p>'
        f'<p class="facts"><span>{created}</span>{listed}{again}</p></li>'
    )
