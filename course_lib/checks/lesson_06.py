"""Exercises of lesson 06, relation-based transfer."""

from collections import namedtuple

from course_lib.checks import Wrong, call, exercise, items

Law = namedtuple("Law", "relation guard trigger form")
SHARED = ("everyone", "nobody")


def is_law(value: object) -> bool:
    """Tell a Law, this one's or the lesson's."""
    return getattr(value, "_fields", None) == Law._fields


@exercise(
    "For each word of the law: which words may it become? If the other world has it, too, only "
    "itself; otherwise any word of its type that is not shared.",
    "`product` of three lists: for each word of the law its counterparts, or the word alone if the "
    "other world has it too. The shared words are nobody's counterparts.",
    right="every word became every word of its own type. In the lesson that makes 4 x 3 x 2 = 24 "
    "candidates, where a search from scratch has 280.",
)
def translated(answer: object) -> None:
    """``answer(law, relations, guards, triggers)``: the law by every mapping of its words."""
    guards, wires = ["nobody", "patched", "laptop", "monitored"], ["everyone", "wire"]
    law = Law("contact", "vaccinated", "infected", "noisy-or")
    cases = [(12, law, ["link", "admin", "everyone"], guards, ["compromised", "cleaned"])]
    cases += [(2, law._replace(relation="everyone"), wires, ["off", "nobody", "old"], ["hot"])]
    cases += [(1, Law("contact", "nobody", "ill", "every pair"), wires, guards, ["hot", "ill"])]
    for expected, law, *names in cases:
        found = items(call(answer, law, *names), "a list of laws")
        if not all(map(is_law, found)):
            raise Wrong("these are no laws: `law._replace(relation=…, guard=…, trigger=…)`.")
        if any(each.form != law.form for each in found):
            raise Wrong("the form has changed: it is what is carried over.")
        for i, word in enumerate(law[:3]):
            if word in names[i] and any(each[i] != word for each in found):
                raise Wrong(f"{word!r} means the same in both worlds: it stands for itself.")
        if any(set(each) & (set(SHARED) - set(law)) for each in found):
            raise Wrong("a word of the law became a shared word, which means something else.")
        if any(set(each[:3]) & (set(law[:3]) - set().union(*names)) for each in found):
            raise Wrong("some laws still hold a word of the first world.")
        placed = [pair for each in found for pair in zip(each, names, strict=False)]
        if any(word not in known for word, known in placed):
            raise Wrong("a word took a place of another type: relation, guard and trigger differ.")
        if len(found) != len(set(found)):
            raise Wrong("some laws are there twice.")
        if len(found) != expected:
            raise Wrong(f"{len(found)} laws, expected {expected}: each word with each other.")


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
        if is_law(found):
            raise Wrong("one law comes back: a list was asked, with a law for every guard.")
        found = items(found, "a list of laws")
        if not all(map(is_law, found)):
            raise Wrong("these are words; laws were asked: `law._replace(guard=…)`.")
        if any(each[:1] + each[2:] != law[:1] + law[2:] for each in found):
            raise Wrong("change the guard only; relation, trigger and form stay as mapped.")
        said = [each.guard for each in found]
        if "not patched" not in said:
            raise Wrong("'not patched' is missing, and the poisoned update needs it.")
        if missing := [guard for guard in guards if guard not in said]:
            raise Wrong(f"{missing[0]!r} is missing: the law that was mapped, too, must compete.")
        if len(said) != len(guards):
            raise Wrong(f"{len(said)} laws for {len(guards)} guards.")
