"""Plausible wrong answers to the exercises of lesson 06, and what is said about them."""

MAP = "def translated(law, relations, guards, triggers):\n    return "
OWN = "[law._replace(relation=r, guard=g, trigger=t) "
OF = "own = lambda w, ws: [w] if w in ws else sorted({*ws} - {'everyone', 'nobody'})\n    return"
KEEP = MAP.replace("return", OF) + OWN + "for r in own(law[0], relations) "
REVISED = "def revised(law, guards):\n    return "

WRONG = {
    "translated": [
        (MAP + "[law]", "still hold a word of the first world"),
        (MAP + "list(relations)", "these are no laws"),
        (MAP + OWN + "for r in relations for g in guards for t in triggers]", "a shared word"),
        (KEEP + "for g in own('', guards) for t in triggers]", "'nobody' means the same"),
        (KEEP + "for g in own(law[1], guards) for t in triggers]", "'ill' means the same"),
        (MAP + "[law._replace(relation=r) for r in relations if r != 'everyone']", "still hold"),
        (MAP + OWN + "for r in relations if r != 'everyone' for g in guards if g != 'nobody'"
         " for t in triggers]", "stands for itself"),
        (MAP + "2 * [type(law)('link', 'patched', 'cleaned', law.form)]", "there twice"),
        (MAP + "[type(law)('link', 'patched', 'cleaned', law.form)]", "expected 12"),
        (MAP + "[law._replace(form='one is enough')]", "the form has changed"),
        (MAP + "[type(law)('patched', 'link', 'cleaned', law.form)]", "another type"),
    ],
    "revised": [
        (REVISED + "2 * [law._replace(guard=guard) for guard in guards]", "8 laws for 4 guards"),
        (REVISED + "law._replace(guard='not patched')", "a law for every guard"),
        (REVISED + "list(guards)", "these are words"),
        (REVISED + "[law._replace(relation=guard) for guard in guards]", "change the guard only"),
        (REVISED + "[law._replace(guard=g) for g in guards if ' ' not in g]", "poisoned update"),
        (REVISED + "[law._replace(guard=g) for g in guards if g != law.guard]", "'laptop' is mis"),
    ],
}  # fmt: skip
