"""Exercises of lesson 20, learn on without forgetting."""

import torch
from torch.nn.functional import one_hot

from course_lib.checks import Wrong, call, compare, exercise, numbers, same


@exercise(
    "A sum of squared deviations is the sum of squares minus count · mean².",
    "With products: `square - mean.T @ total`, divided by the number of all photos.",
    right="three sums are enough, and sums of several tasks can be added.",
)
def shared_covariance(answer: object) -> None:
    """``answer(count, total, square)``: the covariance about the class means, (D, D)."""
    for labels in ([0, 1, 1, 0, 1, 1], [2, 0, 1, 2, 2, 0, 0, 0]):
        n, x = one_hot(torch.tensor(labels)).double(), torch.tensor(labels)[:, None] + 1.0
        x = x + torch.sin(torch.arange(len(labels) * 3.0).view(-1, 3) * len(labels)).double()
        count, total, square = n.sum(dim=0), n.T @ x, x.T @ x
        scatter, middle = square - (total / count[:, None]).T @ total, x.mean(dim=0, keepdim=True)
        found = numbers(call(answer, count, total, square), (3, 3), "the covariance")
        if same(found, square / len(x)):
            raise Wrong("these are products of features: nothing is subtracted.")
        if same(found, square / len(x) - middle.T @ middle):
            raise Wrong("these are deviations from one mean of all photos, not of the own class.")
        K, N, mean = len(count), len(x), total / count[:, None]
        if any(same(found, scatter / by) for by in (1, K, N - 1, N - K)):
            raise Wrong("divide by the number of all photos, N, not by K, N - 1 or N - K.")
        products = mean.T @ mean / N, mean.T @ mean, mean.T @ mean / K, total.T @ total / N**2
        if any(same(found, square / N - product) for product in products):
            raise Wrong("take off the square of a mean once for every photo of its class.")
        compare(found, scatter / len(x), f"entry (0, 0) is {scatter[0, 0] / len(x):.4f}.")


@exercise(
    "Classes 0 and 1 came in task 0, classes 2 and 3 in task 1: class y came in task `y // 2`.",
    "Where `torch.arange(classes) // 2` is another task, put minus infinity; then argmax.",
    right="whoever reports this number should say that the task was told.",
)
def told(answer: object) -> None:
    """``answer(logits, y)``: accuracy if it is told in which task, of two classes, y came."""
    for k in (4, 6):
        y, at = torch.arange(26) % k, torch.arange(26)
        logits = torch.sin(at[:, None] * (3 + torch.arange(k)) * 1.7) + 0.8 * one_hot(y * 0, k)
        hits = (logits.view(26, -1, 2)[at, y // 2].argmax(dim=1) == y % 2).double()
        found, said = numbers(call(answer, logits, y), (), "the accuracy"), logits.argmax(dim=1)
        if same(found, (said == y).double().mean()):
            raise Wrong("every class may still be the answer; only two of the task may.")
        if same(found, (said // 2 == y // 2).double().mean()):
            raise Wrong("that is how often the task is found, and the task is told.")
        if same(found, (hits * (logits[at, y] > 0)).mean()):
            raise Wrong("a logit can be negative: put -inf, not 0.")
        compare(found, hits.mean(), f"for these photos it is {hits.mean():.4f}.")
