"""Plausible wrong answers to the exercises of lesson 07, and what is said about them."""

UNDO = """def undo(picture, mean, std):
    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))
    return """

MIXUP = """def mixup(images, labels, share, num_classes):
    one_hot = torch.nn.functional.one_hot(labels, num_classes).float()
    before = lambda batch: share * batch + (1 - share) * batch.roll(1, dims=0)
    return """

SHARES = """def visible_shares(mask_a, mask_b, top, left, height, width):
    rows, columns = slice(top, top + height), slice(left, left + width)
    in_a, in_b = mask_a[rows, columns].sum(), mask_b[rows, columns].sum()
    a, b = 1 - in_a / mask_a.sum(), in_b / mask_b.sum()
    """

WRONG = {
    "undo": [
        (UNDO + "(picture - m) / s", "normalises once more"),
        (UNDO + "(picture + m) * s", "wrong order"),
        (UNDO + "picture * m + s", "changed places"),
        (UNDO + "picture * torch.tensor(std) + torch.tensor(mean)", "stops with RuntimeError"),
        (UNDO + "picture * s.transpose(0, 1) + m.transpose(0, 1)", "own constants"),
    ],
    "mixup": [
        (MIXUP + "before(images)", "return two things"),
        (MIXUP + "images, before(one_hot)", "as they were"),
        (MIXUP + "before(images), one_hot", "mix them alike"),
        (MIXUP + "before(images), labels", "a column per class"),
        (MIXUP + "share * images + (1 - share) * images.roll(-1, dims=0), one_hot", "other way"),
        (MIXUP + "share * images + (1 - share) * images.flip(0), one_hot", "meets itself"),
        (MIXUP + "(1 - share) * images + share * images.roll(1, dims=0), one_hot", "of itself"),
        (MIXUP + "before(images), before(one_hot[:, : labels.max() + 1])", "a column per class"),
        (MIXUP + "before(images), before(one_hot).roll(1, 0)", "labels are not mixed as"),
    ],
    "visible_shares": [
        (SHARES + "area = height * width / mask_a.numel()\n    return 1 - area, area",
         "area of the box"),
        (SHARES + "return a, b", "divide them by their sum"),
        (SHARES + "return b / (a + b), a / (a + b)", "changed places"),
        (SHARES + "a = mask_a.sum() - in_a\n    return a / (a + in_b), in_b / (a + in_b)",
         "you compare pixels"),
        (SHARES + "return (1 - b, b) if a + b else (0, 0)", "should be"),
        (SHARES + "return a / (a + b), b / (a + b)", "both shares are 0"),
    ],
}  # fmt: skip
