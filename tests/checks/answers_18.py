"""Plausible wrong answers to the exercises of lesson 18, and what is said about them."""

MOVED = "def shifted(image, down, right):\n    return "
RANK = """def effective_rank(z):
    sizes = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    p = sizes / sizes.sum()
    p = p[p > 1e-12]
    return """

WRONG = {
    "shifted": [
        (MOVED + "np.roll(image, (down, right), axis=(0, 1))", "comes back on the other"),
        (MOVED + "image", "does 0 come in? The signs?"),
        (MOVED + "np.pad(image, 4)[4 + down : -4 + down, 4 + right : -4 + right]"
         " if max(abs(down), abs(right)) < 4 else image", "does 0 come in? The signs?"),
        (MOVED + "np.pad(image, 4)[4 - right :, 4 - down :][: image.shape[0], : image.shape[1]]",
         "down moves rows"),
        (MOVED + "np.pad(image, ((max(down, 0), 0), (max(right, 0), 0)))", "the moved picture"),
    ],
    "effective_rank": [
        (RANK + "-(p * np.log(p)).sum()", "that is the entropy"),
        (RANK + "np.exp((p * np.log(p)).sum())", "the minus sign"),
        (RANK.replace("p = sizes / sizes.sum()", "p = sizes**2 / (sizes**2).sum()")
         + "np.exp(-(p * np.log(p)).sum())", "do not square"),
        (RANK.replace(" - z.mean(axis=0)", "") + "np.exp(-(p * np.log(p)).sum())", "centre"),
        (RANK + "np.linalg.matrix_rank(z)", "here it is"),
        (RANK + "p", "one number"),
    ],
}  # fmt: skip
