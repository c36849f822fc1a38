"""Plausible wrong answers to the exercises of lesson 01, and what is said about them."""

RIGHT = {"a": "P(X)", "b": "P(Y|X)", "c": "P(Y)", "d": "label space"}
WON = """def won_back(make, source, there, test):
    a, b = make().fit(there.x, there.y), make().fit(source.x, source.y)
    return """

WRONG = {
    "what_changed": [
        (f"changed = {RIGHT | {'a': 'P(Y)'}}", "(a) the same sign"),
        (f"changed = {RIGHT | {'b': 'P(X)'}}", "(b) the mails are the same"),
        (f"changed = {RIGHT | {'c': 'P( X )'}}", "(c) a sick person"),
        (f"changed = {RIGHT | {'d': 'p(y | x)'}}", "(d) the set of possible answers"),
        (f"changed = {RIGHT | {'c': 'prevalence'}}", "'prevalence' is none of"),
        ("changed = ['P(X)']", "keep the dictionary"),
        ("changed = dict(a=1, b=2, c=3, d=4)", "(a) 1 is none of"),
    ],
    "won_back": [
        (WON + "b.score(test.x, test.y) - a.score(test.x, test.y)", "reversed, or without"),
        (WON + "abs(a.score(test.x, test.y) - b.score(test.x, test.y))", "without its sign"),
        (WON + "b.score(source.x, source.y) - b.score(test.x, test.y)", "How much of it"),
        (WON + "a.score(test.x, test.y)", "Subtract the other's"),
        (WON + "a.score(there.x, there.y) - b.score(there.x, there.y)", "judge both on `test`"),
        (WON + "a.predict(test.x) - b.predict(test.x)", "expected one difference"),
        (WON + "a.score(test.x, test.y) - b.score(source.x, source.y)", "expected 0."),
    ],
}  # fmt: skip
