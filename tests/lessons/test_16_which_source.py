import numpy as np
import pytest
from notebook_code import definitions
from scipy.linalg import null_space
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

lesson = definitions("16", size={})
rng = np.random.default_rng(0)
y = np.arange(24) % 3
x = rng.normal(size=(24, 5)) + 2 * (y[:, None] == np.arange(5))
NARROW, WIDE = rng.normal(size=(24, 40)), rng.normal(size=(24, 300))  # wider than pictures
NARROW += y[:, None]
WIDE += 3 * (y[:, None] == np.arange(300) % 3)


@pytest.mark.parametrize("rows", [x, x[:, :2], NARROW, WIDE])
def test_logme_is_the_largest_evidence_that_a_search_finds(rows: np.ndarray) -> None:
    basis = null_space(np.ones((1, 24))).T  # the 23 directions that centring leaves
    rows = basis @ rows

    def surprise(logs: np.ndarray, t: np.ndarray) -> float:
        covariance = np.exp(-logs[0]) * rows @ rows.T + np.exp(-logs[1]) * np.eye(23)
        return -multivariate_normal(np.zeros(23), covariance).logpdf(basis @ t)

    found = [-minimize(surprise, [0.0, 0.0], (t,), "Nelder-Mead").fun for t in np.eye(3)[:, y]]
    assert lesson.logme(basis.T @ rows, y) == pytest.approx(np.mean(found) / 23, abs=2e-4)


def test_scores_against_sums_written_out_and_density_of_sure_and_of_scattered_answers() -> None:
    distance = np.linalg.norm(x[:, None] - x, axis=2) + 99 * np.eye(24)
    assert lesson.neighbour(x, y) == np.mean(y[distance.argmin(axis=1)] == y)
    between = np.cov(np.stack([x[y == k].mean(axis=0) for k in y]).T)
    assert lesson.h_score(x, y) == pytest.approx(np.trace(np.linalg.inv(np.cov(x.T)) @ between))
    wide = lesson.h_score(rng.normal(size=(24, 60)), y)
    assert wide == pytest.approx(2)  # more features than pictures: classes - 1
    p = np.array([[0.75, 0.25], [0.25, 0.75]])
    assert lesson.leep(p, np.array([0, 1])) == pytest.approx(np.log(0.75**2 + 0.25**2))
    alike = np.tile([0.9, 0.1], (10, 1))
    assert lesson.density(alike) == pytest.approx(np.log(9))
    assert lesson.density(np.r_[alike, alike[:, ::-1]]) == pytest.approx(np.log(9), abs=1e-3)
    assert lesson.density(np.linspace([0, 1], [1, 0], 10)) < np.log(9)
