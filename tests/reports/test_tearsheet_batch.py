"""All tearsheets at once, by the command and by itself, on the sample lab."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portfolio_lab import open_lab
from portfolio_lab.cli import doors
from portfolio_lab.lab import Lab
from portfolio_lab.reports import batch, tearsheet
from portfolio_lab.reports.batch import Order, Part, parts_of, write_all
from portfolio_lab.reports.cache import SheetCache, cache_of
from portfolio_lab.reports.sheet import Sheet
from portfolio_lab.reports.tearsheet import Kind, file_name
from portfolio_lab.sample import demo_lab


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample lab in a folder of its own, for what the command keeps in it."""
    folder = tmp_path_factory.mktemp("labs") / "lab"
    shutil.copytree(demo_lab().settings.root, folder, ignore=shutil.ignore_patterns("cache"))
    return folder


@pytest.fixture(scope="module")
def lab(root: Path) -> Lab:
    return open_lab(root)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Kind]]:
    """Pages that say whose they are, and take no time; returns what was drawn."""
    drawn: list[tuple[str, Kind]] = []

    def page(sheet: Sheet, kind: Kind) -> str:
        drawn.append((sheet.name, kind))
        return f"<p>{kind} of {sheet.name}, {sheet.scope}, beside {sheet.benchmark is not None}</p>"

    monkeypatch.setattr(tearsheet, "_drawn", page)
    return drawn


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(doors, ["--lab", str(root), "tearsheet", *arguments])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---------------------------------------------------------------- names


def test_every_user_has_their_accounts_and_the_desk_stands_last(lab: Lab) -> None:
    parts = parts_of(lab)
    assert parts[:2] == [Part("alice"), Part("alice", "binance:main")]
    assert Part("desk", "okx:carry") in parts
    assert parts[-1] == Part()
    assert len(parts) == len(set(parts)) == 11


def test_no_two_parts_share_a_file() -> None:
    parts = [
        (None, None),
        ("desk", None),
        ("desk", "all:x"),
        ("a", "b:c"),
        ("a-b", None),
        ("a", None),
        ("a", "b-c:d"),
        ("a-b", "c:d"),
        ("Desk", None),
        ("../x", None),
        ("%44esk", None),
    ]
    found = [file_name(user, account, "native") for user, account in parts]
    assert len({name.lower() for name in found}) == len(parts)
    assert all(re.fullmatch(r"tearsheet-[a-z0-9_.%-]+-native\.html", name) for name in found)
    assert not any(".." in name or "/" in name for name in found)


# ---------------------------------------------------------------- the batch


def test_all_are_written_and_linked(lab: Lab, tmp_path: Path) -> None:
    lines: list[str] = []
    outcome = write_all(lab, tmp_path / "sheets", Order(["quantstats", "native"]), lines.append)
    assert len(lines) == 11
    assert re.fullmatch(r"1/11 alice: \S+, \S+, about \d+ s left", lines[0])
    assert lines[-1].startswith("11/11 desk (all users): ")
    assert not outcome.failed
    written = names(tmp_path / "sheets")
    assert len(written) == 23
    index = (tmp_path / "sheets" / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'href="([^"]+)"', index)) == written - {"index.html"}
    assert "<td>alice / binance / main</td><td>40</td>" in index
    account = tmp_path / "sheets" / "tearsheet-carol.okx.main-native.html"
    assert "native of carol / okx / main, account" in account.read_text(encoding="utf-8")


def test_one_that_cannot_be_drawn_is_passed_over(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def page(sheet: Sheet, kind: Kind) -> str:
        if sheet.name == "carol":
            raise ZeroDivisionError("no <drawdown>")
        return "<p></p>"

    monkeypatch.setattr(tearsheet, "_drawn", page)
    lines: list[str] = []
    outcome = write_all(lab, tmp_path, Order(["native"]), lines.append)
    assert outcome.failed == {Part("carol"): "ZeroDivisionError: no <drawdown>"}
    assert next(line for line in lines if "could not be drawn" in line).startswith("8/11 carol: could not be drawn")
    assert len(names(tmp_path)) == 11
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<li>carol: ZeroDivisionError: no &lt;drawdown&gt;</li>" in index


def test_what_was_drawn_before_is_not_drawn_again(lab: Lab, tmp_path: Path, quick: list[tuple[str, Kind]]) -> None:
    order = Order(["native"], cache=SheetCache(tmp_path / "kept"))
    first = write_all(lab, tmp_path / "one", order, lambda _: None)
    count = len(quick)
    second = write_all(lab, tmp_path / "two", order, lambda _: None)
    assert count == 11
    assert len(quick) == count
    for part, paths in first.written.items():
        assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in second.written[part]]


# ---------------------------------------------------------------- the command


def test_the_old_form_writes_the_page_by_quantstats(root: Path, tmp_path: Path) -> None:
    result = run(root, "alice", "-o", str(tmp_path / "alice.html"))
    assert (result.exit_code, result.stdout) == (0, f"wrote {tmp_path / 'alice.html'}\n")
    assert "quantstats of alice, user, beside True" in (tmp_path / "alice.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "written", "says"),
    [
        (["alice"], "tearsheet-alice-quantstats.html", "quantstats of alice, user, beside True"),
        (["desk", "--kind", "native"], "tearsheet-desk-native.html", "native of desk, user"),
        (["--desk", "--kind", "native"], "tearsheet-desk.all-native.html", "native of desk, desk"),
        (["desk", "--account", "okx/carry"], "tearsheet-desk.okx.carry-quantstats.html", "of desk / okx / carry, acc"),
        (["desk", "--account", "okx:carry"], "tearsheet-desk.okx.carry-quantstats.html", "of desk / okx / carry, acc"),
        (["alice", "--benchmark", "none"], "tearsheet-alice-quantstats.html", "beside False"),
    ],
)
def test_each_part_goes_into_a_folder_by_its_name(
    root: Path, tmp_path: Path, arguments: list[str], written: str, says: str
) -> None:
    result = run(root, *arguments, "-o", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert names(tmp_path) == {written}
    assert says in (tmp_path / written).read_text(encoding="utf-8")


def test_both_kinds_stand_side_by_side(root: Path, tmp_path: Path) -> None:
    assert run(root, "alice", "--kind", "both", "-o", str(tmp_path / "alice.html")).exit_code == 0
    assert names(tmp_path) == {"alice-quantstats.html", "alice-native.html"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name one of these: a USER, --desk, or --all"),
        (["alice", "--desk"], "name one of these"),
        (["--all", "--desk"], "name one of these"),
        (["--desk", "--account", "okx/main"], "--account needs the USER"),
        (["nobody"], "there is no user 'nobody': the users are alice"),
        (["alice", "--account", "okx/nowhere"], "there is no reading of okx:nowhere of alice"),
        (["alice", "-o", "/nowhere/alice.html"], "there is no folder /nowhere"),
    ],
)
def test_what_cannot_be_meant_is_told(root: Path, arguments: list[str], message: str) -> None:
    result = run(root, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_all_by_the_command_ends_with_what_was_not_drawn(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tearsheet, "_drawn", lambda sheet, kind: "" if sheet.name != "carol" else 1 / 0)
    result = run(root, "--all", "--benchmark", "ETH", "-o", str(tmp_path / "sheets"))
    assert result.exit_code == 1
    assert f"wrote {tmp_path / 'sheets' / 'index.html'}: 10 drawn, 1 not" in result.stdout
    assert result.stderr == "not drawn: carol: ZeroDivisionError: division by zero\n"
    assert (root / "cache" / "tearsheets").is_dir()


def test_a_pdf_stands_beside_its_page(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def printed(page: Path, output: Path) -> Path:
        output.write_bytes(b"PDF of " + page.read_bytes())
        return output

    monkeypatch.setattr(batch, "print_pdf", printed)
    monkeypatch.setattr("portfolio_lab.reports.pdf.find_browser", lambda: "/bin/browser")
    assert run(root, "alice", "--pdf", "-o", str(tmp_path / "alice.html")).exit_code == 0
    assert (tmp_path / "alice.pdf").read_bytes().startswith(b"PDF of <p>quantstats of alice")
    assert run(root, "alice", "-o", str(tmp_path / "second.pdf")).exit_code == 0
    assert names(tmp_path) == {"alice.html", "alice.pdf", "second.html", "second.pdf"}


def test_without_a_browser_no_page_is_drawn(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: list[tuple[str, Kind]]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(root, "--all", "--pdf", "-o", str(tmp_path / "sheets"))
    assert (result.exit_code, quick) == (2, [])
    assert "install one" in result.stderr


def test_a_lab_without_a_cache_folder_is_served_all_the_same(root: Path, tmp_path: Path) -> None:
    shutil.rmtree(root / "cache", ignore_errors=True)
    (root / "cache").write_text("in the way", encoding="utf-8")
    try:
        assert run(root, "alice", "-o", str(tmp_path / "alice.html")).exit_code == 0
        assert not cache_of(root)._folder.exists()
    finally:
        (root / "cache").unlink()
