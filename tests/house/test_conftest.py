"""The rules for tests that need a GPU or the research data, tried on small test modules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"
NO_GPU = "\ndef gpu_problem():\n    return 'nothing here'\n"
WITH_GPU = "\ndef gpu_problem():\n    return None\n"
INI = "[pytest]\nmarkers =\n    gpu\n    data\n    minutes\n    slow\n"


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs test code under our conftest and gives the result."""
    monkeypatch.delenv("QATM_REQUIRE_GPU", raising=False)
    monkeypatch.delenv("QATM_DATA", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # It runs in this process, whose libraries keep the threads that they have.
    monkeypatch.setattr("worker_threads.limit_threads", lambda count: None)

    def _run(code: str, gpu: str = NO_GPU, options: Sequence[str] = ()) -> pytest.RunResult:
        pytester.makeini(INI)
        pytester.makeconftest(CONFTEST.read_text(encoding="utf-8") + gpu)
        pytester.makepyfile(code)
        return pytester.runpytest_inprocess("-rs", "-p", "no:cacheprovider", *options)

    return _run


GPU_TEST = "import pytest\n@pytest.mark.gpu\ndef test_it(): pass\ndef test_plain(): pass\n"
SKIPS_ITSELF = "import pytest\n@pytest.mark.gpu\ndef test_it(): pytest.skip('too small')\n"
MODULE_SKIPS = (
    "import pytest\npytest.importorskip('no_such_module')\npytestmark = pytest.mark.gpu\n"
)


def test_gpu_tests_are_skipped_with_the_reason_where_there_is_none(run):
    result = run(GPU_TEST)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*nothing here*"])


def test_gpu_tests_run_where_there_is_one(run):
    run(GPU_TEST, WITH_GPU).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("code", "gpu", "outcomes"),
    [
        (GPU_TEST, NO_GPU, {"errors": 1, "passed": 1}),
        (GPU_TEST, WITH_GPU, {"passed": 2}),
        (SKIPS_ITSELF, WITH_GPU, {"failed": 1}),
        (MODULE_SKIPS, WITH_GPU, {"errors": 1}),
        ("import pytest\ndef test_it(): pytest.skip('other')\n", NO_GPU, {"skipped": 1}),
        (
            "import pytest\n@pytest.mark.gpu\n@pytest.mark.xfail\ndef test_it(): assert False\n",
            WITH_GPU,
            {"xfailed": 1},
        ),
    ],
    ids=["absent", "present", "skips-itself", "module-skips", "other-skip", "xfail"],
)
def test_a_required_gpu_makes_a_skipped_gpu_test_fail(run, monkeypatch, code, gpu, outcomes):
    monkeypatch.setenv("QATM_REQUIRE_GPU", "1")
    result = run(code, gpu)
    result.assert_outcomes(**outcomes)
    if "failed" in outcomes or "errors" in outcomes:
        assert result.ret != 0
        result.stdout.fnmatch_lines(["*QATM_REQUIRE_GPU=1, but a GPU test was skipped*"])


DATA_TEST = """
import pytest

@pytest.mark.data
def test_marked(): pass

def test_fixture(data_dir): assert data_dir.is_dir()
"""


def test_data_tests_are_skipped_with_the_reason_where_the_data_are_absent(
    run, monkeypatch, tmp_path
):
    monkeypatch.setenv("QATM_DATA", str(tmp_path / "nowhere"))
    result = run(DATA_TEST)
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*nowhere*set QATM_DATA*"])


def test_data_tests_run_where_the_data_are(run, monkeypatch, tmp_path):
    monkeypatch.setenv("QATM_DATA", str(tmp_path))
    run(DATA_TEST).assert_outcomes(passed=2)


ORDER_TEST = """
import pytest

def test_one(): pass

@pytest.mark.minutes
def test_long(): pass

def test_two(): pass
"""


@pytest.mark.parametrize(
    ("workers", "order"),
    [("1", ["test_one", "test_long", "test_two"]), ("2", ["test_long", "test_one", "test_two"])],
)
def test_workers_begin_with_the_longest(run, monkeypatch, workers, order):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", workers)
    result = run(ORDER_TEST, options=["--verbose"])
    assert re.findall(r"::(\w+) PASSED", result.stdout.str()) == order


def test_photographs_are_colour_and_read_only(photographs):
    assert set(photographs) >= {"astronaut", "coffee", "chelsea", "rocket"}
    for image in photographs.values():
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert not image.flags.writeable
