"""Plausible wrong answers to the exercises of lesson 07, and what is said about them."""

ERASE = "def with_erasing(): return v2.Compose([{}])"

WRONG = {
    "with_erasing": [
        (ERASE.format("v2.ToImage(), v2.RandomErasing(), v2.ToPILImage()"), "0.5 by default"),
        (ERASE.format("v2.ToImage(), v2.RandomErasing(p=1.0)"), "gives a picture back as Image"),
        (ERASE.format("v2.ToImage(), v2.RandomErasing(p=0), v2.ToPILImage()"), "nothing is erased"),
        (
            ERASE.format("v2.ToImage(), v2.RandomInvert(1), v2.RandomErasing(1), v2.ToPILImage()"),
            "more than the box",
        ),
        ("with_erasing = v2.RandomErasing(p=1.0)", "stops with"),
    ],
    "undo": [
        (
            "def undo(picture, mean, std):\n"
            "    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))\n"
            "    return (picture - m) / s",
            "normalises once more",
        ),
        (
            "def undo(picture, mean, std):\n"
            "    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))\n"
            "    return (picture + m) * s",
            "wrong order",
        ),
        (
            "def undo(picture, mean, std):\n"
            "    m, s = (torch.tensor(v)[:, None, None] for v in (mean, std))\n"
            "    return picture * m + s",
            "changed places",
        ),
        (
            "def undo(picture, mean, std):\n"
            "    return picture * torch.tensor(std) + torch.tensor(mean)",
            "stops with RuntimeError",
        ),
        (
            "def undo(picture, mean, std):\n"
            "    m, s = (torch.tensor(v)[None, :, None] for v in (mean, std))\n"
            "    return picture * s + m",
            "its own constants",
        ),
    ],
}
