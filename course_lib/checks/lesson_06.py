"""Exercises of lesson 06, relation-based transfer."""

from collections import namedtuple

import numpy as np

from course_lib.checks import Wrong, call, compare, exercise, items, numbers, same

Law = namedtuple("Law", "relation guard trigger form")


@exercise(
    "With k dangerous neighbours, what is the chance that none of them strikes?",
    "(1 - rate) to the power of k is the chance of escaping; the rest is the chance of being "
    "struck.",
    right="that is noisy-or: every neighbour is a chance of its own. For small rates it grows "
    "nearly in proportion to k, and it never exceeds 1.",
)
def struck_by_any(answer: object) -> None:
    """``answer(rate, k)``: chance of being struck by at least one of k independent neighbours."""
    nobody = "without a dangerous neighbour nobody is struck: expected 0 for k = 0."
    compare(call(answer, 0.1, 0), 0, nobody)
    found = numbers(call(answer, 0.5, 2), ())
    if same(found, 1):
        raise Wrong("two chances of one half do not add up to certainty: both may fail.")
    if same(found, 0.25):
        raise Wrong("that is the chance that *both* strike. One is enough.")
    if same(found, 0.5):
        raise Wrong("two neighbours are more dangerous than one.")
    compare(found, 0.75, f"for rate 0.5 and two neighbours it should be 0.75, not {found:.3g}.")
    array = "it should work for an array of k as well, like the forms of the lesson."
    what = "a chance for each k of an array"
    compare(call(answer, 0.2, np.array([1, 3])), [0.2, 0.488], array, what=what)


@exercise(
    "Guards of a law are the words of `properties`, negated ones among them. Only this word is to "
    "change.",
    "`law._replace(guard=guard)` makes a law with another guard; make one for every guard.",
    right="map and revise: the mapped law is nearly right, so a search next to it finds `not "
    "patched`, which no mapping of the old words could say.",
)
def revised(answer: object) -> None:
    """``answer(law, guards)``: the law with each of the guards."""
    for law, words in (
        (Law("link", "laptop", "compromised", "noisy-or"), ("nobody", "laptop", "patched")),
        (Law("contact", "not patched", "ill", "threshold"), ("vaccinated", "patched")),
    ):
        guards = dict.fromkeys([*words, "not patched"])
        found = call(answer, law, guards)
        if isinstance(found, Law):
            raise Wrong("one law comes back: a list was asked, with a law for every guard.")
        found = items(found, "a list of laws")
        if not all(isinstance(each, Law) for each in found):
            raise Wrong("these are words; laws were asked: `law._replace(guard=…)`.")
        if any(each[:1] + each[2:] != law[:1] + law[2:] for each in found):
            raise Wrong("change the guard only; relation, trigger and form stay as mapped.")
        said = [each.guard for each in found]
        if "not patched" not in said:
            raise Wrong("the negated words are missing, and the poisoned update needs one.")
        if missing := [guard for guard in guards if guard not in said]:
            raise Wrong(f"{missing[0]!r} is missing: the law that was mapped, too, must compete.")
        if len(said) != len(guards):
            raise Wrong(f"{len(said)} laws for {len(guards)} guards.")
