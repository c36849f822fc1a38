"""Exercises of lesson 21, more than a class."""

import numpy as np

from course_lib.checks import call, compare, exercise, numbers, same


@exercise(
    "The intersection is a box too: the larger of the lefts, the smaller of the rights, and so on.",
    "If a side of it is negative, the boxes do not meet: `max(0, …)`. Union: areas − intersection.",
    right="detectors are judged with it: a box counts as found from 0.5 on, mostly.",
)
def box_iou(answer: object) -> None:
    """``answer(a, b)`` returns the IoU of two boxes (left, top, right, bottom)."""
    a, b = (3.0, 0.0, 5.0, 3.0), (0.0, 2.0, 4.0, 4.0)
    found = numbers(call(answer, a, b), (), "the IoU")
    hints = {1: "that is the area they share. Divide it by the area of the union."}
    hints[1 / 14] = "the shared part is counted twice in your union: subtract it once."
    hints |= dict.fromkeys((1 / 8, 1 / 6), "divide by what either covers, not by one of the boxes.")
    hints[2 / 14] = "that is Dice, 2 · both / (area + area). IoU divides by the union."
    said = [hint for guess, hint in hints.items() if same(found, guess)]
    said += [f"these boxes share 1 of 13, {1 / 13:.3f}; it says {found:.3f}."]
    compare(found, 1 / 13, said[0])
    for far in ((6.0, 6.0, 9.0, 9.0), (3.0, 4.0, 6.0, 8.0), (6.0, 0.0, 9.0, 2.0)):
        compare(call(answer, a, far), 0, "boxes that do not meet share nothing: their IoU is 0.")
    compare(call(answer, a, a), 1, "a box and itself have an IoU of 1.")


@exercise(
    "The search would take the candidate that is best on small pictures: `np.argmax(small)`.",
    "The best accuracy on large pictures, minus that of the taken one there.",
    right="it can be 0 with a poor rank correlation, and large with a good one.",
)
def regret(answer: object) -> None:
    """``answer(small, large)``: accuracy lost by carrying the best candidate on small pictures."""
    small, large = np.array([0.7, 0.9, 0.8, 0.6]), np.array([0.5, 0.55, 0.62, 0.4])
    found = numbers(call(answer, small, large), (), "the regret")
    hints = {-0.07: "the sign: what the best reaches minus what the taken one reaches."}
    hints[0.1] = "that is lost on small pictures. Which accuracy counts in the end?"
    mixed = "compare accuracies on large pictures with each other, not small with large."
    hints |= dict.fromkeys((0.28, -0.28, 0.35, -0.35), mixed)
    said = [hint for guess, hint in hints.items() if same(found, guess)]
    compare(found, 0.07, [*said, f"here the regret is 0.07; it says {found:.2f}."][0])
    compare(call(answer, large, large), 0, "where both rank alike, nothing is lost.")
