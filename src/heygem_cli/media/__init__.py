"""Media in and out: probe, frames, audio, video. Every ffmpeg argument list is built by a pure function."""
