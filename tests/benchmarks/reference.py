"""The results that README.md here quotes: frozen, fine-tuned and from scratch, and their baseline.

    python tests/benchmarks/reference.py --dataset insects --image-size 224
    python tests/benchmarks/reference.py --figure  # result.svg, from the table of the README

Every run chooses its epoch on validation photos and is judged once on the test photos (the data
set's ``val`` folder). One row per strategy, mean and standard deviation over seeds.
"""

import argparse
import re
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib.pyplot as plt
import torch
from benchmarks import ours, tasks
from torch.utils.data import DataLoader, TensorDataset

from course_lib import datasets, loaders, models, report, training


def fine_tune(options: argparse.Namespace, seed: int, pretrained: bool, epochs: int) -> float:
    """Test accuracy after training every layer with AdamW and a one-cycle schedule."""
    model = models.build_model(options.backbone, pretrained=pretrained, seed=seed)
    about = (options.dataset, model.preprocessing, options.image_size)
    splits = loaders.make_loaders(*about, batch_size=16, seed=seed)
    rates = (3e-4, 1e-2) if pretrained else (3e-3, 3e-3)
    ours.one_cycle(model, (splits.train, splits.val), rates, epochs, seed=seed)
    return training.evaluate(model, splits.test).accuracy


def frozen(options: argparse.Namespace, seed: int) -> float:
    """Test accuracy of a linear head on the features of the untouched backbone."""
    model = models.build_model(options.backbone, seed=seed)
    about = (options.dataset, model.preprocessing, options.image_size)
    splits = loaders.make_loaders(*about, augment=False, seed=seed)
    parts = (splits.train, splits.val, splits.test)
    train, val, test = (training.extract_features(model, part) for part in parts)
    batches = DataLoader(TensorDataset(*train), 16, shuffle=True, generator=torch.Generator())
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.01, momentum=0.9)
    training.fit(model.head, batches, [val], epochs=30, optimizer=optimizer, seed=seed)
    return training.evaluate(model.head, [test]).accuracy


NUMBERS = r"(0\.\d+)(?: ± (0\.\d+))?"
ROW = re.compile(rf"^\| ([-\w ,]+?) \| {NUMBERS} \| {NUMBERS} \|$", re.MULTILINE)


def figure() -> None:
    """Draw the table of the course's README into ``result.svg``, beside this file."""
    text = (datasets.course_root() / "README.md").read_text(encoding="utf-8")
    plt.rcParams |= {"svg.hashsalt": "result", "svg.fonttype": "none", "font.family": "sans-serif"}
    drawn, axes = plt.subplots(figsize=(7.2, 2.3), layout="constrained")
    *rows, baseline = ROW.findall(text)
    looks = ("rendered insects", "#0072B2", "o"), ("the article's photos", "#D55E00", "s")
    for side, (name, colour, marker) in enumerate(looks):
        means, spreads = ([float(row[i + 2 * side]) for row in rows] for i in (1, 2))
        places = [place + (side - 0.5) / 4 for place in range(len(rows))]
        axes.errorbar(means, places, xerr=spreads, fmt=marker, color=colour, capsize=3, label=name)
    axes.axvline(float(baseline[1]), color="#595959", linestyle="--", label=baseline[0])
    axes.set(xlim=(0.4, 1), xlabel="test accuracy, mean ± standard deviation over 3 seeds")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.invert_yaxis()
    axes.legend(loc="center")
    drawn.savefig(Path(__file__).with_name("result.svg"), metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="insects")
    parser.add_argument("--backbone", default=models.EMBEDDED)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=4, help="of fine-tuning")
    parser.add_argument("--scratch-epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", action="store_true", help="draw the README's table only")
    options = parser.parse_args()
    if options.figure:
        return figure()

    def run(seed: int) -> dict[str, float]:
        return {
            "frozen features": frozen(options, seed),
            "full fine-tuning": fine_tune(options, seed, True, options.epochs),
            "from scratch": fine_tune(options, seed, False, options.scratch_epochs),
        }

    frame = report.trials(run, options.seeds)
    test = list(datasets.scan(datasets.find(options.dataset)).counts("val").values())
    print(report.summary(frame, baseline=("always the larger class", max(test) / sum(test))).data)
    report.verdict("Is full better?", report.compare(frame, "full fine-tuning", "frozen features"))
    print(f"\n{vars(options)}; {tasks.hardware()}; {date.today()}")


if __name__ == "__main__":
    main()
