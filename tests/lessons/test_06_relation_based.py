"""Functions that lesson 06 writes out."""

from collections import defaultdict

import networkx as nx
import numpy as np
import pytest
from notebook_code import definitions

lesson = definitions("06", computers=120, rounds=25, worm_strength=2.0)
LAW = lesson.Law("contact", "safe", "ill", "noisy-or")
# Four nodes in a row; the last one is safe.
row = nx.path_graph(4)
relations = {"contact": nx.to_numpy_array(row) > 0}
path = lesson.make_network(row, relations, {"safe": np.arange(4) == 3}, ("ill", "over"))


def history(*moments: tuple[list[int], list[int]], n: int = 4) -> np.ndarray:
    """States bool (2, moments, n) from the active and the over at each moment."""
    states = np.zeros((2, len(moments), n), bool)
    for row, (active, over) in enumerate(moments):
        states[0, row, active] = True
        states[1, row, over] = True
    return states


def test_a_world_has_the_words_that_all_share_and_its_dangers_are_counted_and_guarded() -> None:
    assert list(path.relations) == ["contact", "everyone"]
    assert list(path.properties) == ["nobody", "safe", "not safe"]
    assert not path.properties["nobody"].any()
    assert path.properties["not safe"].tolist() == [True, True, True, False]
    assert path.relations["everyone"].tolist() == (1 - np.eye(4)).tolist()
    states = history(([0, 2], [3]))
    assert lesson.dangers(LAW, path, states).tolist() == [[0, 2, 0, 0]]
    assert lesson.dangers(LAW._replace(guard="nobody"), path, states).tolist() == [[0, 2, 0, 1]]
    everyone = LAW._replace(relation="everyone", guard="not safe")
    assert lesson.dangers(everyone, path, states).tolist() == [[0, 0, 0, 2]]
    assert lesson.dangers(LAW._replace(trigger="over"), path, states).tolist() == [[0, 0, 1, 0]]


@pytest.mark.parametrize(("form", "expected"), [
    ("noisy-or", [0, 0.5, 0.75, 0.875]),
    ("one is enough", [0, 0.5, 0.5, 0.5]),
    ("two are needed", [0, 0, 0.5, 0.5]),
    ("every pair", [0, 0, 0.5, 0.875]),
])  # fmt: skip
def test_forms_by_hand(form: str, expected: list[float]) -> None:
    found = lesson.chance(lesson.Law("", "", "", form), 0.5, np.arange(4))
    np.testing.assert_allclose(found, 1 - (1 - np.array(expected)) * (1 - lesson.STRAY))


def test_a_simulation_keeps_to_the_rules_and_a_tally_scores_and_a_watch_are_as_by_hand() -> None:
    start = np.repeat(history(([0], [])), 4000, axis=1)
    rng = np.random.default_rng(0)
    active, over = lesson.simulate(lesson.follow(LAW, 0.5, path), start, 3, rng)
    assert active.shape == (4, 4000, 4) and not (active & over).any()
    assert (over[1:] >= over[:-1]).all()  # over is for good
    # After one step: neighbour 1 struck with 0.5, node 0 over it with RECOVERY, 2 and 3 by strays.
    assert active[1, :, 1].mean() == pytest.approx(0.5, abs=0.03)
    assert over[1, :, 0].mean() == pytest.approx(lesson.RECOVERY, abs=0.02)
    assert active[1, :, 2:].mean() < 0.01 and active[..., 3].mean() < 0.01  # guarded
    sure = np.where(np.arange(len(lesson.RATES)) == 50, 0.0, -99)
    mixed = lesson.average({LAW: sure, LAW._replace(relation="everyone"): sure}, path, rng)(start)
    assert np.ptp(mixed[:, 1]) == 0 and 0.2 < np.mean(mixed[:, 2] > 0.1) < 0.8  # law by run
    outbreak = history(([0], []), ([0, 1], []), ([1], [0]))
    at_risk, struck = lesson.tally(LAW._replace(guard="nobody"), path, outbreak)
    # First moment: 1 had one danger and was struck, 2 and 3 had none. Second: 2 had one, 3 none.
    assert at_risk.tolist() == [3, 2] and struck.tolist() == [0, 1]
    runs = np.array([[True, True, False, False], [True, False, False, False]])
    final = np.array([True, True, False, True])
    assert lesson.size_error(runs, final) == pytest.approx(1.5 / 4)
    struck = np.array([True, False, False, False])
    assert lesson.who_auc(runs, final, struck) == pytest.approx(0.75)
    assert lesson.who_auc(runs, struck, struck) == 0.5  # nothing left to rank
    outbreak = history(([0], []), ([0], []), ([0, 1], []), ([1, 2], [0]))
    assert lesson.watch(outbreak, 1).shape == (2, 3, 4)


def test_the_likelihood_of_a_rate_its_prior_and_a_disease_that_never_spreads() -> None:
    n = 200
    relations = {"contact": np.eye(n, k=1) + np.eye(n, k=-1)}
    network = lesson.make_network(nx.path_graph(n), relations, {}, ("ill", "over"))
    law = lesson.Law("contact", "nobody", "ill", "one is enough")
    first = list(range(0, n, 4))
    at_risk = [i for i in range(n) if i % 4 in (1, 3)]
    outbreak = history((first, []), (first + at_risk[::4], []), n=n)
    best = lesson.RATES[lesson.log_likelihood(law, network, outbreak).argmax()]
    assert best == pytest.approx(0.25, rel=0.1)
    prior = lesson.rate_prior(np.array([0.05, 0.1, 0.2]))
    assert lesson.RATES[prior.argmax()] == pytest.approx(0.1, rel=0.07)
    drawn = lesson.draw_rates(prior, np.random.default_rng(0))
    assert drawn.shape == (lesson.RUNS, 1)
    assert np.std(np.log(drawn)) == pytest.approx(np.log(2), rel=0.3)
    assert np.isfinite(lesson.rate_prior(np.array([0.1, 0.1]))).all()
    with pytest.raises(ValueError, match="no outbreak struck 9 nodes"):
        lesson.record(LAW, path, 0.1, 3, 9, np.random.default_rng(0))


def test_the_search_finds_another_law_by_the_data_and_translations_respect_types() -> None:
    law = lesson.Law("same_site", "monitored", "compromised", "two are needed")
    network = lesson.computer_network(120, 0)
    rng = np.random.default_rng(0)
    outbreaks = [lesson.record(law, network, 0.4, 25, 8, rng)[0] for _ in range(6)]
    assert lesson.search(lesson.all_laws(network), network, outbreaks)[0][0] == law
    learned = lesson.Law("contact", "vaccinated", "infected", "noisy-or")
    truth = lesson.Law("admin", "monitored", "compromised", "noisy-or")
    network = lesson.computer_network(120, 1)
    outbreak, _ = lesson.record(truth, network, 0.1, 25, 20, np.random.default_rng(1))
    laws = lesson.translations(learned, network)
    assert lesson.search(laws, network, [lesson.watch(outbreak, 10)])[0][0] == truth
    law = lesson.Law("contact", "vaccinated", "infected", "every pair")
    found = lesson.translations(law, network)
    assert len(found) == len(set(found)) == 4 * 3 * 2
    assert lesson.Law("admin", "laptop", "cleaned", "every pair") in found
    shared = lesson.Law("everyone", "nobody", "cleaned", "noisy-or")
    assert lesson.translations(shared, network) == [shared]


def test_a_transferred_law_forecasts_better_than_a_wrong_one_and_than_nothing() -> None:
    errors, areas = defaultdict(list), defaultdict(list)
    for seed in range(4):
        network, outbreak, rate = lesson.worm(seed)
        seen, final = lesson.watch(outbreak, 5), outbreak[:, -1].any(0)
        struck = seen[:, -1].any(0)
        for law in (lesson.WORM, lesson.WRONG):
            rng = np.random.default_rng(seed)
            runs = lesson.forecast(lesson.follow(law, rate, network), seen, rng)
            assert runs.shape == (lesson.RUNS, 120)
            areas[law].append(lesson.who_auc(runs, final, struck))
            errors[law == lesson.WORM].append(lesson.size_error(runs, final))
        errors[False].append(lesson.size_error(struck[None], final))
    assert np.mean(areas[lesson.WORM]) > max(0.7, np.mean(areas[lesson.WRONG]) + 0.1)
    assert np.mean(errors[True]) < np.mean(errors[False]) / 2
