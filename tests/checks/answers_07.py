"""Plausible wrong answers to the exercises of lesson 07, and what is said about them."""

ERASE = "def with_erasing(): return v2.Compose([{}])"
UNDO = """def undo(picture, mean, std):
    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))
    return """

WRONG = {
    "with_erasing": [
        (ERASE.format("v2.ToImage(), v2.RandomErasing(), v2.ToPILImage()"), "0.5 by default"),
        (ERASE.format("v2.ToImage(), v2.RandomErasing(p=1.0)"), "gives a picture back as Image"),
        (ERASE.format("v2.ToImage(), v2.RandomErasing(p=0), v2.ToPILImage()"), "nothing is erased"),
        (ERASE.format("v2.ToImage(), v2.RandomInvert(1), v2.RandomErasing(1), v2.ToPILImage()"),
         "more than the box"),
        ("with_erasing = v2.RandomErasing(p=1.0)", "stops with"),
    ],
    "undo": [
        (UNDO + "(picture - m) / s", "normalises once more"),
        (UNDO + "(picture + m) * s", "wrong order"),
        (UNDO + "picture * m + s", "changed places"),
        (UNDO + "picture * torch.tensor(std) + torch.tensor(mean)", "stops with RuntimeError"),
        (UNDO + "picture * s.transpose(0, 1) + m.transpose(0, 1)", "its own constants"),
    ],
}  # fmt: skip
