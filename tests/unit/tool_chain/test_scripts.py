"""The commands of the tool chain count, gate and remember as they say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts import coverage_gates, stages, verify
from scripts.reports import Tally, read_report
from scripts.sources import fingerprint_of_sources

ROOT = stages.ROOT
RESTS_ON = ("Makefile",)


def test_every_folder_of_tests_is_run_by_a_stage() -> None:
    assert stages.unnamed_folders() == []


def test_a_folder_that_no_stage_names_is_found() -> None:
    assert "integration" in stages.unnamed_folders([each for each in stages.STAGES if each.name != "integration"])


def test_the_stages_budgets_are_the_total() -> None:
    in_turn = [stage.minutes for stage in stages.STAGES if not stage.beside]
    assert stages.SET_UP_MINUTES + sum(in_turn) + stages.GATES_MINUTES == stages.TOTAL_MINUTES


def test_what_goes_beside_a_stage_has_its_minutes() -> None:
    hosts = {stage.beside for stage in stages.STAGES} - {""}
    for host in (stage for stage in stages.STAGES if stage.name in hosts):
        assert sum(each.minutes for each in stages.STAGES if each.beside == host.name) == host.minutes
    assert hosts == {"acceptance"}


def test_errors_count_as_failed(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="1"/></testsuites>', encoding="utf-8"
    )
    assert read_report(report) + Tally(passed=1) == Tally(passed=6, failed=3, skipped=1)


MEASURED = {
    "shared/merge/rules.py": {
        "summary": {"covered_lines": 50, "num_statements": 50, "covered_branches": 9, "num_branches": 10}
    },
    "shared/errors.py": {
        "summary": {"covered_lines": 40, "num_statements": 50, "covered_branches": 0, "num_branches": 0}
    },
    "functions/health.py": {
        "summary": {"covered_lines": 0, "num_statements": 99, "covered_branches": 0, "num_branches": 0}
    },
}


@pytest.mark.parametrize(
    ("gate", "faults"),
    [
        (coverage_gates.Gate("shared/", "lines", 0.90), []),
        (coverage_gates.Gate("shared/", "lines", 0.91), ["coverage: 90.00% of lines of shared/"]),
        (coverage_gates.Gate("shared/merge/", "branches", 1.0), ["coverage: 90.00% of branches of shared/merge/"]),
        (coverage_gates.Gate("shared/gone/", "lines", 0.0), ["coverage: nothing measured in shared/gone/"]),
    ],
)
def test_a_gate_counts_only_its_folder(gate: coverage_gates.Gate, faults: list[str]) -> None:
    assert coverage_gates.faults(gate, MEASURED) == faults


def test_a_line_is_covered_if_any_stage_covered_it_and_branches_are_of_those_that_measured_them() -> None:
    lines = {"shared/a.py": {"missing_lines": [2, 3], "summary": {"covered_lines": 8, "num_statements": 10}}}
    branches = {
        "shared/a.py": {
            "missing_lines": [3, 4],
            "summary": {"covered_lines": 8, "num_statements": 10, "covered_branches": 5, "num_branches": 6},
        }
    }
    expected = {
        "shared/a.py": {
            "missing_lines": [3],
            "summary": {"covered_lines": 9, "num_statements": 10, "covered_branches": 5, "num_branches": 6},
        }
    }
    assert coverage_gates.together([lines, branches]) == expected
    assert coverage_gates.together([branches, lines]) == expected


def test_lines_are_shown_as_spans() -> None:
    assert coverage_gates.spans([3, 7, 8, 9, 11]) == "3, 7-9, 11"


def test_results_survive_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "DOCUMENT", tmp_path / "verification.md")
    piece = verify.PIECES[0]
    fingerprint = fingerprint_of_sources(piece.rests_on)
    row = verify.Row(piece.name, "passed", "9 of 9 killed", "0.1", "2026-11-01", fingerprint)
    verify.write_rows({row.piece: row})
    assert "| passed |" in verify.DOCUMENT.read_text("utf-8")
    rows = verify.read_rows()
    assert rows[row.piece] == row
    assert {each.name for each in verify.PIECES} == set(rows)
    assert {rows[each.name].result for each in verify.PIECES[1:]} == {"not yet run"}


def test_a_result_of_other_files_is_shown_as_out_of_date_and_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "DOCUMENT", tmp_path / "verification.md")
    row = verify.Row(verify.PIECES[0].name, "passed", "9 of 9 killed", "0.1", "2026-11-01", "of other files")
    verify.write_rows({row.piece: row})
    text = verify.DOCUMENT.read_text("utf-8")
    assert f"| {row.piece} | out of date |" in text
    assert "| passed |" not in text
    assert verify.read_rows()[row.piece] == row


def test_a_piece_keeps_its_last_line_and_its_end() -> None:
    row = verify.run_piece(verify.Piece("sample", ("/bin/sh", "-c", "echo first; echo '3 | 4'; exit 1"), RESTS_ON))
    assert (row.result, row.figures) == ("failed", "3 / 4")


@pytest.mark.parametrize(("resumes", "result"), [(True, "unfinished"), (False, "failed")])
def test_a_piece_out_of_time_is_stopped(resumes: bool, result: str) -> None:
    command = ("/bin/sh", "-c", "echo begun; sleep 600; echo woken")
    row = verify.run_piece(verify.Piece("sample", command, RESTS_ON, resumes=resumes, limit_seconds=1))
    assert row.result == result
    assert "begun" in row.figures


def find_python(version: str | None, folder: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    """Run scripts/find_python where only *folder* and the system's commands are on PATH."""
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(  # noqa: S603 - our own script
        [bash, str(ROOT / "scripts" / "find_python"), *([version] if version else [])],
        env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "PYTHON": python},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_python_that_is_only_a_name_is_not_taken(tmp_path: Path) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\necho 'version 3.99 is not installed' >&2\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    found = find_python("3.99", tmp_path)
    assert found.returncode == 1
    assert "PYTHON" in found.stderr
    assert found.stdout == ""


def test_a_python_that_runs_is_taken(tmp_path: Path) -> None:
    wrapped = tmp_path / "python3.99"
    wrapped.write_text(
        "#!/bin/sh\ncase $2 in *version_info*) exit 0 ;; *) echo /opt/python3.99 ;; esac\n", encoding="utf-8"
    )
    wrapped.chmod(0o755)
    assert find_python("3.99", tmp_path).stdout == "/opt/python3.99\n"


def test_the_python_that_is_named_is_taken_before_one_that_is_liked_better(tmp_path: Path) -> None:
    """`scripts/test_on 3.13` names one: it once tested 3.12 under that name."""
    for name, version in (("python3.12", "3.12"), ("named", "3.13")):
        python = tmp_path / name
        python.write_text(
            f"#!/bin/sh\ncase $2 in *\"!= '{version}'\"*) exit 0 ;; *version_info*) exit 1 ;; esac\necho {python}\n",
            encoding="utf-8",
        )
        python.chmod(0o755)
    named = str(tmp_path / "named")
    assert find_python(None, tmp_path, named).stdout == f"{named}\n"
    assert find_python("3.12", tmp_path, named).stdout == f"{tmp_path / 'python3.12'}\n"


IDLES = """
import os, sys, time
late = time.monotonic() + 60
while os.sched_getscheduler(0) != os.SCHED_IDLE:
    if time.monotonic() > late:
        sys.exit('was never put behind the others')
    time.sleep(0.01)
print('the guest ran')
"""


def test_what_goes_beside_a_stage_takes_idle_time_alone_and_fails_the_run_as_well(
    capfd: pytest.CaptureFixture[str],
) -> None:
    host = stages.Stage("host", 1, commands=(("python", "-c", "print('the host ran')"),))
    guest = stages.Stage(
        "guest", 1, commands=(("python", "-c", IDLES), ("python", "-c", "raise SystemExit(3)")), beside="host"
    )
    outcomes = stages.run_stages([host, guest])
    assert [(each.name, each.failures) for each in outcomes] == [("host", []), ("guest", ["python -c ended with 3"])]
    said = capfd.readouterr().out
    # Told apart, however they ran.
    assert -1 < said.index("the host ran") < said.index("=== guest") < said.index("\nthe guest ran")


def test_a_stage_whose_host_is_not_asked_for_runs_by_itself() -> None:
    alone = stages.Stage("guest", 1, commands=(("python", "-c", "pass"),), beside="host")
    assert [each.name for each in stages.run_stages([alone])] == ["guest"]


def test_what_goes_side_by_side_is_not_counted_twice() -> None:
    host, following = stages.Outcome("host", 9, 120), stages.Outcome("next", 9, 60)
    guests = [stages.Outcome(name, 9, seconds, beside="host") for name, seconds in (("one", 30), ("other", 60))]
    assert stages.print_table([host, *guests, following]) == pytest.approx(3)
    guests[0].seconds = 120  # and the other one comes after it
    assert stages.print_table([host, *guests, following]) == pytest.approx(4)
