"""`portfolio-lab store`: look after the store itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from portfolio_lab.cli.frame import Doors, command, settings_of, settings_with_store
from portfolio_lab.errors import StoreError

if TYPE_CHECKING:
    from portfolio_lab.store import Store
    from portfolio_lab.store.backup import Copied
    from portfolio_lab.store.records import Fold
    from portfolio_lab.store.stats import Shelf, StoreStats
    from portfolio_lab.store.thinning import Thinning
    from portfolio_lab.store.verify import Verification

_EVERY_SECONDS = 2.0
_SLICE_SECONDS = 5.0
_LEAVE_IT = "Nothing was changed: this shows what would go. Add --apply to do it; only a backup brings the rows back."


@click.group("store", cls=Doors)
def store() -> None:
    """Look after the store itself: its files, its copies, its repair."""


def _open(lab: Path) -> Store:
    from portfolio_lab.store import Store  # noqa: PLC0415

    return Store.open(settings_with_store(lab).store_path)


def _progress(what: str) -> Callable[[int, int], None]:
    """Return a callback that tells on standard error how far long work is, every two seconds."""
    told = [time.monotonic()]

    def tell(done: int, total: int) -> None:
        if time.monotonic() - told[0] >= _EVERY_SECONDS:
            told[0] = time.monotonic()
            click.echo(f"{what} {done:,} of {total:,} files", err=True)

    return tell


# ---------------------------------------------------------------- verify


@command(
    "verify",
    into=store,
    examples="""
portfolio-lab store verify
portfolio-lab store verify --deep --head 5d41402abc...
portfolio-lab store verify --repair --from /backups/lab
""",
)
@click.option("--deep", is_flag=True, help="Also decode every file, count its rows, and reckon states and days anew.")
@click.option("--repair", "mends", is_flag=True, help="Put back what a backup holds, set the rest of the damage aside.")
@click.option("--from", "backup", help="A backup to repair from: a folder or s3://bucket/prefix.")
@click.option("--head", default="", help="A head noted before: proves that nothing before it was changed.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def store_verify(lab: Path, *, deep: bool, mends: bool, backup: str | None, head: str, as_json: bool) -> None:
    """Hold every file against its hash, and the records against the chain of manifests.

    Each damage is one sentence; the exit code is then 4. With --repair nothing is deleted: what
    cannot be restored stands in quarantine/, and what it said is unknown, not zero.
    """
    from portfolio_lab.store.verify import verify  # noqa: PLC0415

    opened = _open(lab)
    found = verify(opened.parts(), deep=deep, head=head, progress=_progress("verified"))
    if mends and (found.damages or backup is not None):
        _mend(opened, found, backup)
        found = verify(opened.parts(), deep=deep, head=head, progress=_progress("verified"))
    if deep and not found.damages:
        found.notes.extend(_derived(opened))
    click.echo(json.dumps(_found_as_dict(found)) if as_json else _found_as_text(found))
    if found.damages:
        remedy = "what is left needs a backup" if mends else "add --repair, and --from BACKUP where there is one"
        raise StoreError(f"{len(found.damages)} damage(s) in the store: {remedy}")


def _derived(opened: Store) -> list[str]:
    """Return a sentence for each derived figure that the snapshots do not give: states, days, hours."""
    from portfolio_lab.consistency import inconsistencies  # noqa: PLC0415
    from portfolio_lab.store.hours import Hours  # noqa: PLC0415

    parts = opened.parts()
    return [*inconsistencies(opened), *Hours(parts.files, parts.reader).faults()]


def _mend(opened: Store, found: Verification, backup: str | None) -> None:
    from portfolio_lab.store import Store  # noqa: PLC0415
    from portfolio_lab.store.files import files_at  # noqa: PLC0415
    from portfolio_lab.store.repair import repair  # noqa: PLC0415

    source = None if backup is None else files_at(backup)
    if source is not None:
        Store.open(source.root, files=source)  # says what is wrong with it, if it is no store
    for mended in repair(opened.parts(), found.damages, backup=source):
        click.echo(f"{mended.action}: {mended.sentence}", err=True)


def _found_as_text(found: Verification) -> str:
    lines = [damage.sentence for damage in found.damages]
    lines += [f"note: {note}" for note in found.notes]
    verdict = "damaged" if found.damages else "whole"
    lines.append(f"{verdict}: {found.files:,} files, {found.rows:,} rows, {_bytes(found.size)}")
    return "\n".join([*lines, f"head {found.head or 'none yet: no day is sealed'}"])


def _found_as_dict(found: Verification) -> dict[str, object]:
    damages = [{"kind": one.kind, "path": one.path, "sentence": one.sentence} for one in found.damages]
    counts = {"files": found.files, "rows": found.rows, "size": found.size}
    return {"damages": damages, "notes": found.notes, **counts, "head": found.head}


# ---------------------------------------------------------------- copies


@command(
    "backup",
    into=store,
    examples="""
portfolio-lab store backup /backups/lab
portfolio-lab store backup s3://desk-backups/lab
""",
)
@click.argument("target")
@click.pass_obj
def store_backup(lab: Path, target: str) -> None:
    """Copy what is new to TARGET, a folder or s3://bucket/prefix, and verify the whole copy.

    May run while syncs do, and goes on where an earlier one was interrupted.
    """
    from portfolio_lab.store.backup import copy_store  # noqa: PLC0415
    from portfolio_lab.store.files import files_at  # noqa: PLC0415

    opened = _open(lab)
    click.echo(_copied_as_text(copy_store(opened.parts(), files_at(target), progress=_progress("copied"))))


@command(
    "restore",
    into=store,
    examples="""
portfolio-lab store restore /backups/lab
portfolio-lab store restore s3://desk-backups/lab --to /srv/new-store
""",
)
@click.argument("source")
@click.option(
    "--to", "place", help="A new folder or s3://bucket/prefix. Default: the lab's store_path, if it is empty."
)
@click.pass_obj
def store_restore(lab: Path, source: str, place: str | None) -> None:
    """Copy the backup at SOURCE into a new, empty place, and verify it."""
    from portfolio_lab.store import Store  # noqa: PLC0415
    from portfolio_lab.store.backup import check_new, copy_store  # noqa: PLC0415
    from portfolio_lab.store.files import files_at  # noqa: PLC0415

    target = files_at(place if place is not None else settings_of(lab).store_path)
    check_new(target)
    click.echo(_copied_as_text(copy_store(Store.open(source).parts(), target, progress=_progress("copied"))))


def _copied_as_text(copied: Copied) -> str:
    whole = copied.verification
    return (
        f"copied {copied.files:,} files ({_bytes(copied.size)}) and {copied.records:,} records; "
        f"the copy is whole: {whole.files:,} files, {whole.rows:,} rows, {_bytes(whole.size)}\n"
        f"head {whole.head or 'none yet: no day is sealed'}"
    )


# ---------------------------------------------------------------- size


@command(
    "thin",
    into=store,
    examples="""
portfolio-lab store thin --raw-days 90
portfolio-lab store thin --raw-days 90 --apply
""",
)
@click.option("--raw-days", type=click.IntRange(min=2), required=True, help="Days that keep every snapshot.")
@click.option("--apply", is_flag=True, help="Do it. Cannot be undone: take a backup first.")
@click.pass_obj
def store_thin(lab: Path, raw_days: int, *, apply: bool) -> None:
    """Keep one snapshot an hour of the days before the last --raw-days; without --apply only show it.

    Flows, fills, restatements and performance_history stay, and so do PnL and returns by day;
    a day that is reckoned anew later is marked as estimated.
    """
    from portfolio_lab.store.thinning import thin  # noqa: PLC0415

    click.echo(_thinning_as_text(thin(_open(lab), raw_days=raw_days, today=datetime.now(UTC).date(), apply=apply)))
    click.echo("Done." if apply else _LEAVE_IT)


def _thinning_as_text(done: Thinning) -> str:
    lines = [f"{'table':<24}{'rows':>14}{'stay':>14}{'bytes':>12}{'stay':>12}"]
    lines += [
        f"{name:<24}{one.rows_before:>14,}{one.rows_after:>14,}{_bytes(one.bytes_before):>12}{_bytes(one.bytes_after):>12}"
        for name, one in sorted(done.tables.items())
    ]
    span = f", {done.days[0]} to {done.days[-1]}" if done.days else ""
    return "\n".join([*lines, f"{len(done.days)} day(s){span}; {done.rows_gone():,} rows go"])


@command("stats", into=store, examples="portfolio-lab store stats\nportfolio-lab store stats --json | jq .size")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON; sizes are in bytes.")
@click.pass_obj
def store_stats_command(lab: Path, *, as_json: bool) -> None:
    """Tell rows, bytes and files by table: hot (one commit), warm (an hour), sealed (a day), revisions (superseded).

    Files of hourly and months say once more, for quick reading, what others hold.
    """
    from portfolio_lab.store.stats import store_stats  # noqa: PLC0415

    found = store_stats(_open(lab).parts())
    click.echo(json.dumps(found.as_dict()) if as_json else _stats_as_text(found))


def _stats_as_text(found: StoreStats) -> str:
    lines = [f"{'table':<24}{'kind':<11}{'files':>8}{'rows':>14}{'bytes':>12}{'a row':>8}  span"]
    lines += [_shelf_as_text(one) for one in (*found.shelves, *found.derived)]
    unfolded, sealed = found.oldest_unfolded_hour, found.last_manifest_at
    return "\n".join(
        [
            *lines,
            f"{found.commits:,} commits, {found.folds:,} folds; "
            + (f"oldest unfolded hour {unfolded:%Y-%m-%d %H:00}Z" if unfolded else "all folded"),
            f"{found.manifests:,} manifests, " + (f"the last at {sealed:%Y-%m-%d %H:%M}Z" if sealed else "none yet"),
            *([f"{found.quarantined} file(s) stand in quarantine/"] if found.quarantined else []),
        ]
    )


def _shelf_as_text(one: Shelf) -> str:
    rate = f"{one.bytes_a_row():.1f}" if one.rows else "-"
    span = f"{one.since[:10]} to {one.until[:10]}" if one.since else ""
    return f"{one.table:<24}{one.kind:<11}{one.files:>8,}{one.rows:>14,}{_bytes(one.size):>12}{rate:>8}  {span}"


@command("fold", into=store, examples="portfolio-lab store fold\nportfolio-lab store fold --budget-seconds 600")
@click.option("--budget-seconds", type=click.FloatRange(min=0), help="Begin no step after so long. Default: no limit.")
@click.pass_obj
def store_fold(lab: Path, budget_seconds: float | None) -> None:
    """Roll closed hours and seal closed days, as syncs do after each cycle; tells each step."""
    opened, began, steps = _open(lab), time.monotonic(), 0
    while True:
        left = float("inf") if budget_seconds is None else budget_seconds - (time.monotonic() - began)
        folds = opened.fold(budget_seconds=min(left, _SLICE_SECONDS)) if left > 0 else []
        if not folds:
            break
        steps += len(folds)
        _tell_folds(folds)
    if budget_seconds is None:
        last = opened.fold()  # at leisure: closed months are laid, and old days looked through for what was left behind
        steps += len(last)
        _tell_folds(last)
    click.echo(f"{steps} fold(s) in {time.monotonic() - began:.1f} s")


def _tell_folds(folds: Iterable[Fold]) -> None:
    for fold in folds:
        rows = sum(one.rows for one in fold.adds)
        click.echo(f"{fold.day} #{fold.sequence}: {len(fold.removes):,} files became {len(fold.adds)}, {rows:,} rows")


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:  # noqa: PLR2004 - the prefixes go by thousands
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
