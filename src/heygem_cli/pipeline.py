"""Render jobs one after another, with engines that are loaded once."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from heygem_cli.engines import Engine, check_options, find_engine
from heygem_cli.errors import HeygemError, InputError, current_folder_error, plural, printable
from heygem_cli.job import Inputs, Progress, ProgressCallback, RenderJob, RenderResult, Speaker
from heygem_cli.media.ffmpeg import find_ffmpeg
from heygem_cli.media.mix import mixed
from heygem_cli.media.output_format import OutputFormat, output_format
from heygem_cli.media.part import cut_audio, cut_audios, cut_video, half_size
from heygem_cli.media.probe_audio import probe_audio
from heygem_cli.media.probe_video import probe_video
from heygem_cli.media.read import has_damaged_audio
from heygem_cli.media.types import AudioInfo, VideoInfo
from heygem_cli.media.write import check_encoder, check_output
from heygem_cli.options import EngineOptions, RenderOptions
from heygem_cli.person import Person, Speech
from heygem_cli.remote import digest_of, version_of
from heygem_cli.runtime import Settings
from heygem_cli.speech.channels import listen
from heygem_cli.timeline import check_timeline, write_timeline

MAX_DIFFERENCE = 0.5
"""Seconds by which what drives the mouth may be longer or shorter than the audio without a warning."""
FEW = 0.5
"""Share of the frames in which the mouth moves, below which the summary warns."""


def check_job(job: RenderJob) -> Inputs:
    """Probe the inputs of a job and check that its output can be made; nothing is written.

    Raises:
        InputError: An input, the output or an option cannot be used.
        NotCapableError: The encoder that was asked for does not work on this machine.
    """
    check_current_folder()
    check_options(job.options)
    check_speakers(job)
    inputs = _probe(job)
    check_outputs(job)
    check_encoder(job.options.encode, inputs.video.width, inputs.video.height)
    return inputs


def check_speakers(job: RenderJob) -> None:
    """Check that a job has no audio besides what each of several people says.

    Raises:
        InputError: ``bad-options``.
    """
    speak = job.options.speak
    if speak and job.audio != speak[0].audio:
        hint = "Leave out the audio; --sound names another sound for the output"
        raise InputError("bad-options", "--speak and an audio exclude each other", hint=hint, path=job.audio)


def _probe(job: RenderJob) -> Inputs:
    try:
        audio = probe_audio(job.options.sound or job.audio, job.options.audio_track)
        inputs = Inputs(audio, probe_video(job.face, job.options.video_track))
    except InputError as error:
        wrong_kind = error.code in ("no-audio-stream", "picture-not-audio", "no-video-stream", "cover-art-only")
        if not wrong_kind or not _are_swapped(job):
            raise
        message = "the audio and the face video are the wrong way round"
        hint = f"Give the audio first: {shlex.quote(str(job.face))} {shlex.quote(str(job.audio))}"
        raise InputError("swapped-inputs", message, hint=hint, path=job.audio) from error
    picture, drive = job.options.person.picture, job.options.drive_audio
    picture_info = None if picture is None else probe_picture(picture)
    drive_info = None if drive is None else probe_audio(drive)
    speakers = tuple(_probe_speaker(speech, job.options.audio_track) for speech in job.options.speak)
    return used_part(job, replace(inputs, picture=picture_info, drive=drive_info, speakers=speakers))


def _probe_speaker(speech: Speech, track: int | None) -> Speaker:
    picture = speech.person.picture
    audio = probe_audio(speech.audio, track)
    return Speaker(speech.person, audio, None if picture is None else probe_picture(picture))


def used_part(job: RenderJob, inputs: Inputs) -> Inputs:
    """Return the inputs of a job, cut to the part, and reduced to the size, that it uses.

    What drives the mouth runs beside the audio, and is cut as it is.

    Raises:
        InputError: ``empty-part``.
    """
    options = job.options
    if not (options.start or options.face_start or job.half_size or inputs.speakers) and options.duration is None:
        return inputs
    part = options.start, options.duration, float(1 / inputs.video.fps)
    parts = cut_audios([each.audio for each in inputs.speakers], *part)
    speakers = tuple(replace(each, audio=part) for each, part in zip(inputs.speakers, parts, strict=True))
    if speakers and options.sound is None:
        audio = max((speaker.audio for speaker in speakers), key=lambda each: each.duration)
    else:
        audio = cut_audio(inputs.audio, *part)
    video = half_size(inputs.video) if job.half_size else inputs.video
    drive = inputs.drive and cut_audio(inputs.drive, *part)
    return replace(inputs, audio=audio, video=cut_video(video, options.face_start), drive=drive, speakers=speakers)


def _are_swapped(job: RenderJob) -> bool:
    try:
        probe_audio(job.face)
        probe_video(job.audio)
    except InputError:
        return False
    return True


def probe_picture(path: Path, track: int | None = None) -> VideoInfo:
    """Return the properties of the picture that says who speaks.

    Raises:
        InputError: ``not-a-picture``, or an error of :func:`heygem_cli.media.probe_video.probe_video`.
    """
    picture = probe_video(path, track)
    if not picture.is_still:
        hint = "Name a photograph of the person, or choose the person by a number of heygem faces"
        raise InputError("not-a-picture", "this is a video, and --person takes a picture", hint=hint, path=path)
    return picture


def check_outputs(job: RenderJob) -> None:
    """Check that the output of a job and its timeline can be created, and do not exist or may be replaced.

    Raises:
        InputError: One cannot be created, or exists.
    """
    check_output_path(job)
    check_timeline(job)


def check_output_path(job: RenderJob) -> None:
    """Check that the output of a job can be created, and does not exist or may be replaced.

    Raises:
        InputError: It cannot be created, or exists.
    """
    check_output(job.output, job.inputs)
    if job.remote.output is not None:
        _check_remote_output(job, job.remote.output)
    elif os.path.lexists(job.output) and not job.options.overwrite and not job.own.include(job.output):
        message = "the output has been edited or replaced since it was made" if job.own.digests else "the output exists"
        raise InputError("output-exists", message, hint="Use --overwrite to replace it", path=job.output)


def _check_remote_output(job: RenderJob, url: str) -> None:
    version = None if job.options.overwrite else version_of(url)
    if version is not None and digest_of(url) not in job.own.digests:
        raise InputError("output-exists", f"{url}: the output exists", hint="Use --overwrite to replace it")


def check_current_folder() -> None:
    """Check that the current folder exists: Intel's MKL ends a process that loads it without one.

    Raises:
        InputError: It was deleted.
    """
    if error := current_folder_error():
        raise error


def _warnings(inputs: Inputs, options: RenderOptions) -> Iterator[str]:
    """Yield what was done about inputs that are not as they should be, and what the output lacks of them."""
    audios, video = dict.fromkeys((inputs.audio, *(each.audio for each in inputs.speakers))), inputs.video
    heard = [*audios, inputs.drive] if inputs.drive else [*audios]
    sources: list[AudioInfo | VideoInfo] = [*heard, video]
    # Several may be the same file.
    yield from dict.fromkeys(f"{printable(each.path)}: {note}" for each in sources for note in each.notes)
    for audio in heard:
        if audio.damaged:
            is_encoded = audio == inputs.audio or (audio in audios and options.sound is None)
            used = "it was encoded anew" if is_encoded else "the mouth follows it"
            message = f"the audio is damaged; {used}, without the parts that cannot be decoded"
            yield f"{printable(audio.path)}: {message}"
        if not audio.reliable_times:
            yield f"{printable(audio.path)}: the timestamps of the audio jump, so they were not used"
    if not video.reliable_times:
        message = "the timestamps of the video are impossible, so its frames follow each other at"
        yield f"{printable(video.path)}: {message} {float(video.fps):.4g} fps"
    yield from _lost_bits(video, options)
    if inputs.drive is not None and abs(inputs.drive.duration - inputs.audio.duration) > MAX_DIFFERENCE:
        lengths = f"it has {inputs.drive.duration:.1f} s, the audio {inputs.audio.duration:.1f} s"
        yield f"{printable(inputs.drive.path)}: {lengths}; they begin together"


def _write_timeline(job: RenderJob, result: RenderResult) -> None:
    """Write the timeline of a finished video, if it is wanted."""
    if job.options.timeline is None:
        return
    try:
        write_timeline(job.options.timeline, result)
    except HeygemError as error:
        error.hint = f"{error.hint}; the video is complete: {printable(job.output)}"
        raise


def _choice(result: RenderResult, video: VideoInfo, options: RenderOptions) -> Iterator[str]:
    """Say who speaks where several people are shown and nobody was chosen, or not clearly."""
    chosen = (options.person, *(speech.person for speech in options.speak))
    if options.face_start and any(person.number is not None for person in chosen):
        message = "people are counted from --face-start on, as heygem faces counts them with that option"
        yield f"{printable(video.path)}: {message}"
    if options.person == Person() and not options.speak and result.people is not None and result.people > 1:
        number = result.spans[0].person
        message = f"it shows {result.people} people; the one seen most was taken, number {number} of heygem faces"
        yield f"{printable(video.path)}: {message}"


def _seldom_drawn(result: RenderResult, video: VideoInfo) -> Iterator[str]:
    """Say that the mouth moves in few frames, which may not be the person or the video that was meant."""
    drawn = result.frames_drawn
    if drawn is not None and drawn < FEW * result.frames:
        message = f"the mouth moves in only {drawn} of {plural(result.frames, 'frame')}; --timeline says why in each"
        yield f"{printable(video.path)}: {message}"


def _lost_bits(video: VideoInfo, options: RenderOptions) -> Iterator[str]:
    bits = 10 if options.encode.pixel_format == "10bit" else 8
    if video.source_bits <= bits:
        return
    banding = ", in which HDR shows bands" if video.is_hdr and bits == 8 else ""
    can_keep = bits == 8 and "pixel_format" in find_engine(options.engine).uses
    remedy = "; --pixel-format 10bit keeps 10" if can_keep else ""
    message = f"it has {video.source_bits} bits per colour, the output has {bits}{banding}{remedy}"
    yield f"{printable(video.path)}: {message}"


class Pipeline:
    """Engines, each loaded when it is first needed and kept until :meth:`close`.

    Args:
        options: What engines are loaded with.
        settings: Thread settings of the process.
    """

    def __init__(self, options: EngineOptions, settings: Settings) -> None:
        self._options = options
        self._settings = settings
        self._engines: dict[str, Engine] = {}

    def engine(self, name: str) -> Engine:
        """Return an engine, loaded.

        Raises:
            InputError: There is no engine of this name, or an option of it cannot be used.
            NotCapableError: It does not work here.
        """
        if name not in self._engines:
            find_ffmpeg()  # without it, an engine that has loaded would fail at every job
            self._engines[name] = find_engine(name).load(self._options, self._settings)
        return self._engines[name]

    def render(self, job: RenderJob, inputs: Inputs, on_progress: ProgressCallback = lambda _: None) -> RenderResult:
        """Render one job that was checked.

        Args:
            job: The job.
            inputs: What :func:`check_job` returned for it.
            on_progress: Called with the progress of each stage.

        Raises:
            InputError: An input cannot be used; nothing was written.
            NotCapableError: The engine or the encoder does not work here.
            HeygemError: The job failed; nothing half-written is left.
        """
        engine = self.engine(job.options.engine)

        def tick() -> None:
            on_progress(Progress("speech", 0, inputs.audio.duration or None))

        def heard(audio: AudioInfo, container: OutputFormat | None = None) -> AudioInfo:
            if audio.is_silent:
                return audio
            damaged = has_damaged_audio(audio, tick, container)
            return replace(listen(audio, tick), damaged=damaged)

        background = job.options.background
        video = replace(inputs.video, background=(background.red, background.green, background.blue))
        speakers = tuple(replace(each, audio=heard(each.audio)) for each in inputs.speakers)
        drive = inputs.drive and heard(inputs.drive)
        inputs = replace(inputs, video=video, drive=drive, speakers=speakers)
        with ExitStack() as stack:
            if speakers and job.options.sound is None:
                audio = stack.enter_context(mixed([each.audio for each in speakers], tick))
            else:
                audio = heard(inputs.audio, output_format(job.output))
            inputs = replace(inputs, audio=audio)
            result = engine.render(job, inputs, on_progress)
        _write_timeline(job, result)
        about_inputs = *_warnings(inputs, job.options), *_choice(result, inputs.video, job.options)
        return replace(result, warnings=(*about_inputs, *_seldom_drawn(result, inputs.video), *result.warnings))

    def close(self) -> None:
        """Close all engines."""
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
