"""The article's training program, as it stands there, for the clock.

Its functions are kept in its order and with its habits: photos decoded anew by PIL in every epoch,
batches of four, four workers, float32, gradients recorded while it validates, a look at the loss
after every batch, the schedule stepped before the optimiser, and, with a frozen backbone, a full
forward pass in every epoch. What made it stop in a present-day torch is left out (``Variable``,
``pretrained=True``), what it prints too. The source: https://www.cnblogs.com/ddgjye/p/11146467.html
"""

import copy
import warnings

import torch
from benchmarks.tasks import Outcome, Task, begin
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from course_lib import datasets as course_datasets
from course_lib.loaders import Preprocessing

BATCH_SIZE, WORKERS = 4, 4


def image_datasets(dataset: str, preprocessing: Preprocessing, size: int) -> dict:
    """The article's two folders with its transforms, at the backbone's mean and spread."""
    mode = transforms.InterpolationMode(preprocessing.interpolation)
    last = [transforms.ToTensor(), transforms.Normalize(preprocessing.mean, preprocessing.std)]
    crop = transforms.RandomResizedCrop(size, interpolation=mode)
    resize = transforms.Resize(round(size / preprocessing.crop_fraction), interpolation=mode)
    data_transforms = {
        "train": transforms.Compose([crop, transforms.RandomHorizontalFlip(), *last]),
        "val": transforms.Compose([resize, transforms.CenterCrop(size), *last]),
    }
    folder = course_datasets.find(dataset)
    return {x: datasets.ImageFolder(folder / x, data_transforms[x]) for x in ("train", "val")}


def train_model(model, dataloaders, criterion, optimizer, scheduler, num_epochs, device="cpu"):
    """Train as the article does; yield the validation accuracy after each epoch."""
    best_model_wts = copy.deepcopy(model.state_dict())
    best_acc = 0.0
    for _ in range(num_epochs):
        for phase in ("train", "val"):
            if phase == "train":
                scheduler.step()
                model.train(True)
            else:
                model.train(False)
            running_loss = 0.0
            running_corrects = 0
            for inputs, labels in dataloaders[phase]:
                inputs = inputs.to(device)
                labels = labels.to(device)
                optimizer.zero_grad()
                outputs = model(inputs)
                _, preds = torch.max(outputs.data, 1)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
                running_loss += loss.item() * inputs.size(0)
                running_corrects += torch.sum(preds == labels.data)
            epoch_acc = running_corrects.item() / len(dataloaders[phase].dataset)
            if phase == "val" and epoch_acc > best_acc:
                best_acc = epoch_acc
                best_model_wts = copy.deepcopy(model.state_dict())
        yield epoch_acc
    model.load_state_dict(best_model_wts)


def run(task: Task) -> Outcome:
    """Train for the epochs of a task: the head alone if it is "frozen", everything otherwise."""
    model, outcome, clock = begin(task, BATCH_SIZE)
    photos = image_datasets(task.dataset, model.preprocessing, task.image_size)
    options = {"batch_size": BATCH_SIZE, "shuffle": True, "num_workers": task.workers}
    loaders = {x: DataLoader(photos[x], **options) for x in photos}
    outcome.images = sum(len(part) for part in photos.values())
    clock.opened()
    model.to(clock.device)
    if task.measure == "frozen":  # not freeze_backbone: the article leaves BatchNorm moving
        model.backbone.requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = optim.SGD(trained, lr=0.001, momentum=0.9)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    parts = (loaders, nn.CrossEntropyLoss(), optimizer, scheduler)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of `lr_scheduler")
        warnings.filterwarnings("ignore", "This DataLoader will create")
        for accuracy in train_model(model, *parts, task.epochs, clock.device):
            clock.lap(accuracy)
    return outcome
