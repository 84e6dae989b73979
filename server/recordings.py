"""`./run recording`: list, verify and export what the recorder wrote. Blocking I/O, for the command line."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import typer

from streaming.recording_chain import ChainReport, verify_chain
from streaming.recordings_postgres import PostgresRecordings
from streaming.segment_files import DirectoryFiles

cli = typer.Typer(no_args_is_help=True, help="List, verify and export recordings.")
Out = typer.Option(None, "--out", help="the file; .mp4 for H264, .webm for VP8, whatever is asked")
Dir = typer.Option(None, "--dir", help="the recordings' folder (default: RECORDING_DIR, else the demo's)")


@cli.command("list")
def list_recordings(folder: Path | None = Dir) -> None:
    """Name every recorded broadcast with its segments, packets, gaps and times."""
    files = _files(folder)
    for broadcast_id in files.broadcasts():
        report = verify_chain(broadcast_id, _segments(files, broadcast_id))
        _say(broadcast_id, report)


@cli.command()
def verify(broadcast_id: str, folder: Path | None = Dir) -> None:
    """Check every byte and the chain of segments; with DATABASE_URL also that none is missing at the end."""
    files = _known(folder, broadcast_id)
    url = os.environ.get("DATABASE_URL")
    kept = asyncio.run(_kept_seals(url, broadcast_id)) if url else None
    report = verify_chain(broadcast_id, _segments(files, broadcast_id), kept)
    _say(broadcast_id, report)
    if kept is None:
        typer.echo("  without DATABASE_URL: segments missing at the very end would not be noticed")
    for note in report.notes:
        typer.echo(f"  note: {note}")
    for problem in report.problems:
        typer.echo(f"  PROBLEM: {problem}")
    typer.echo("  broken" if report.problems else "  sound")
    raise typer.Exit(1 if report.problems else 0)


@cli.command()
def export(
    broadcast_id: str,
    folder: Path | None = Dir,
    out: Path | None = Out,
) -> None:
    """Write a file that players open, nothing encoded again; verify first when it is evidence."""
    from streaming.recording_export import export as write

    files = _known(folder, broadcast_id)
    names = files.names(broadcast_id)
    written = write(lambda: (files.read(broadcast_id, name) for name in names), out or Path(f"{broadcast_id}.mp4"))
    if not written:
        typer.echo("wealthcast: no packet was recorded", err=True)
        raise typer.Exit(1)
    for file in written:
        typer.echo(f"{file.path}: {file.video_frames} video frames, {file.audio_frames} audio frames")


def _say(broadcast_id: str, report: ChainReport) -> None:
    packets = sum(one.packets for one in report.segments)
    lost = sum(one.dropped_packets for one in report.segments)
    ends_ms = [one.last_stream_time_ms for one in report.segments if one.last_stream_time_ms is not None]
    until = f", until {max(ends_ms) / 1_000:.1f} s" if ends_ms else ""
    typer.echo(f"{broadcast_id}: {len(report.segments)} segments, {packets} packets, {lost} lost in gaps{until}")


def _segments(files: DirectoryFiles, broadcast_id: str) -> Iterator[tuple[str, bytes]]:
    return ((name, files.read(broadcast_id, name)) for name in files.names(broadcast_id))


def _files(folder: Path | None) -> DirectoryFiles:
    from server.demo.places import default_data_dir

    told = os.environ.get("WEALTHCAST_RECORDING_DIR")
    return DirectoryFiles(folder or (Path(told) if told else default_data_dir() / "recordings"))


def _known(folder: Path | None, broadcast_id: str) -> DirectoryFiles:
    files = _files(folder)
    if broadcast_id not in files.broadcasts():
        typer.echo(
            f"wealthcast: no recording of {broadcast_id} here; `./run recording list` names those there are", err=True
        )
        raise typer.Exit(1)
    return files


async def _kept_seals(url: str, broadcast_id: str) -> dict[int, str]:
    async with asyncpg.create_pool(url, min_size=1, max_size=1, timeout=10) as pool:
        return await PostgresRecordings(pool).seals(broadcast_id)
