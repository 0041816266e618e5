from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from qatm.tools.evaluation import metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def random_case(seed, count=60, levels=None):
    rng = np.random.default_rng(seed)
    present = rng.random(count) < 0.5
    present[:2] = True, False
    scores = rng.random(count) + 0.5 * present
    return present, scores if levels is None else np.round(scores * levels)


def test_success_is_strictly_above_the_threshold():
    curve = metrics.success_curve([0.0, 0.05, 0.5, 1.0])
    assert curve[0] == 0.75
    assert curve[1] == 0.5
    assert curve[9] == 0.5
    assert curve[10] == 0.25
    assert curve[19] == 0.25
    assert len(curve) == 20


def test_auc_is_the_mean_of_the_curve():
    assert metrics.success_auc([1.0]) == 1.0
    assert metrics.success_auc([0.0]) == 0.0
    # Above 0, .05 ... .45 and at .5 no more: 10 of 20 thresholds.
    assert metrics.success_auc([0.5]) == 0.5
    assert metrics.success_auc([0.5, 1.0]) == 0.75
    assert metrics.success_at_half([0.5, 0.51, 0.2, 0.9]) == 0.5


def test_calibration_is_that_of_bins_filled_by_hand():
    scores = [0.0, 0.05, 0.1, 0.95, 1.0, 0.45, 0.41]
    right = [False, True, True, True, True, False, True]
    bins = metrics.calibration_bins(right, scores)
    assert [one.answers for one in bins] == [2, 1, 0, 0, 2, 0, 0, 0, 0, 2]
    assert bins[0][1:] == pytest.approx((0.025, 0.5)), ".1 belongs to the next one, 1 to the last"
    assert bins[9][1:] == pytest.approx((0.975, 1.0))
    assert math.isnan(bins[2].score)
    assert math.isnan(bins[2].right)
    wanted = (2 * 0.475 + 1 * 0.9 + 2 * abs(0.43 - 0.5) + 2 * 0.025) / 7
    assert metrics.calibration_error(right, scores) == pytest.approx(wanted)
    assert math.isnan(metrics.calibration_error([], []))


def test_scores_that_are_probabilities_have_little_calibration_error():
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    right = rng.random(20_000) < scores
    assert metrics.calibration_error(right, scores) < 0.02
    assert metrics.calibration_error(right, scores**3) > 0.2


def test_the_success_curve_is_that_of_the_thresholds_given():
    overlaps = [1.0, 0.5, float("nan"), 0.0]
    curve = metrics.success_curve(overlaps, np.array([0.0, 0.5, 1.0]))
    assert curve.tolist() == pytest.approx([2 / 3, 1 / 3, 0]), "nothing to find does not count"
    assert len(metrics.success_curve(overlaps, metrics.TRACK_THRESHOLDS)) == 21
    assert metrics.success_auc([1.0], metrics.TRACK_THRESHOLDS) == 20 / 21
    rng = np.random.default_rng(0)
    values = rng.random(50)
    for thresholds in (metrics.MATCH_THRESHOLDS, metrics.TRACK_THRESHOLDS):
        by_hand = [(values > threshold).mean() for threshold in thresholds]
        assert metrics.success_curve(values, thresholds).tolist() == by_hand


@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("seed", range(5))
def test_roc_auc_is_that_of_scikit_learn(seed, levels):
    present, scores = random_case(seed, levels=levels)
    wanted = sklearn_metrics.roc_auc_score(present, scores)
    assert metrics.roc_auc(present, scores) == pytest.approx(wanted)
    false, true = metrics.roc_curve(present, scores)
    assert sklearn_metrics.auc(false, true) == pytest.approx(wanted)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    sk_false, sk_true, _ = sklearn_metrics.roc_curve(present, scores, drop_intermediate=False)
    np.testing.assert_allclose(false, sk_false)
    np.testing.assert_allclose(true, sk_true)


def test_roc_auc_by_hand():
    assert metrics.roc_auc([True, False], [2, 1]) == 1
    assert metrics.roc_auc([True, False], [1, 2]) == 0
    assert metrics.roc_auc([True, False], [1, 1]) == 0.5
    assert metrics.roc_auc([True, True, False], [3, 1, 2]) == 0.5
    assert math.isnan(metrics.roc_auc([True, True], [1, 2]))


@pytest.mark.parametrize("seed", range(3))
def test_decisions_are_those_of_scikit_learn(seed):
    present, scores = random_case(seed)
    found = scores > 0.8
    got = metrics.decision(present, found)
    assert got.precision == pytest.approx(sklearn_metrics.precision_score(present, found))
    assert got.recall == pytest.approx(sklearn_metrics.recall_score(present, found))
    assert got.false_alarm_rate == pytest.approx(found[~present].mean())


def test_decisions_without_positives():
    assert metrics.decision([True, False], [False, False]) == (1.0, 0.0, 0.0)
    assert metrics.decision([False], [True]) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_has_the_best_f1(seed, levels):
    present, scores = random_case(seed, levels=levels)
    threshold = metrics.best_f1_threshold(present, scores)
    f1 = [sklearn_metrics.f1_score(present, scores >= level) for level in np.unique(scores)]
    assert threshold in scores
    got = sklearn_metrics.f1_score(present, scores >= threshold)
    assert got == pytest.approx(max(f1))


def test_the_interval_draws_whole_videos():
    values = np.array([0.0] * 10 + [1.0] * 10)
    two = ["a"] * 10 + ["b"] * 10
    assert metrics.interval(two, lambda i: values[i].mean()) == (0.0, 1.0)
    low, high = metrics.interval([str(i) for i in range(20)], lambda i: values[i].mean())
    assert 0.2 <= low < 0.5 < high <= 0.8
    assert metrics.interval(two, lambda i: 0.7) == (0.7, 0.7)


@pytest.mark.parametrize("videos", [2, 7, 40])
def test_the_interval_is_that_of_scipy(videos):
    stats = pytest.importorskip("scipy.stats")
    present, scores = random_case(5, count=160)
    members = [np.arange(video, 160, videos) for video in range(videos)]

    def auc_of(drawn):
        chosen = np.concatenate([members[video] for video in drawn])
        return metrics.roc_auc(present[chosen], scores[chosen])

    with warnings.catch_warnings():
        # The newest versions call it rng.
        warnings.simplefilter("ignore", DeprecationWarning)
        wanted = stats.bootstrap(
            (np.arange(videos),),
            auc_of,
            n_resamples=metrics.RESAMPLES,
            vectorized=False,
            method="percentile",
            random_state=np.random.default_rng(9),
        ).confidence_interval
    groups = [str(index % videos) for index in range(160)]
    got = metrics.interval(groups, lambda i: metrics.roc_auc(present[i], scores[i]), seed=9)
    assert got == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_the_interval_is_seeded():
    values = np.random.default_rng(0).random(30)
    groups = [str(i % 7) for i in range(30)]
    first = metrics.interval(groups, lambda i: values[i].mean(), seed=3)
    assert first == metrics.interval(groups, lambda i: values[i].mean(), seed=3)
    assert first != metrics.interval(groups, lambda i: values[i].mean(), seed=4)


def test_the_interval_of_nothing_is_unknown():
    assert all(math.isnan(end) for end in metrics.interval([], lambda i: 0.0))
    assert all(math.isnan(end) for end in metrics.interval(["a"], lambda i: math.nan))
