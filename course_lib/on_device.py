"""Photos that live on a GPU as bytes, and are cut (bilinearly), flipped and normalised there."""

import torch
from torchvision.transforms import v2


class DeviceLoader:
    """Batches of (float32 images, labels), in place of a DataLoader of the same photos."""

    def __init__(self, dataset, batch_size: int, shuffle: bool, generator, device) -> None:
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.generator, self.labels = generator, torch.tensor(dataset.labels, device=device)
        *cut, self._to_float, end = dataset.transform.transforms
        self._mean, self._std = torch.tensor([end.mean, end.std], device=device).view(2, 3, 1, 1)
        self._crop, shrink = cut[0], v2.Resize(None, max_size=512)  # large photos would fill a GPU
        steps = v2.Compose(cut) if not shuffle else lambda p: shrink(p) if max(p.shape) > 512 else p
        photos = [steps(dataset.pixels(index)) for index in range(len(dataset))]
        self._sides = torch.tensor([photo.shape[1:] for photo in photos])
        room = zip(photos, (self._sides.amax(0) - self._sides).tolist(), strict=True)
        padded = [v2.functional.pad(photo, [0, 0, w, h]) for photo, (h, w) in room]
        self._photos = torch.stack(padded).to(device)

    def __len__(self) -> int:
        return -(-(len(self.labels) - (self.shuffle and self.batch_size > 1)) // self.batch_size)

    def __iter__(self):
        device, order = self.labels.device, torch.arange(len(self.labels))
        if self.shuffle:  # drawn on the CPU and moved once, so that it never waits for the GPU
            order = torch.randperm(len(order), generator=self.generator)
            boxes = random_boxes(self._sides, self._crop).to(device)
        for chosen in order.to(device).split(self.batch_size)[: len(self)]:  # BatchNorm needs two
            images = self._to_float(self._photos[chosen])
            if self.shuffle:
                top, left, height, width = boxes[chosen].T
                rows = resampling(top, height, self._crop.size[0], images.shape[2])
                columns = resampling(left, width, self._crop.size[1], images.shape[3])
                flipped = torch.rand(len(chosen), 1, 1, device=device) < 0.5
                columns = torch.where(flipped, columns.flip(1), columns)
                images = rows[:, None] @ images @ columns[:, None].mT
            yield (images - self._mean) / self._std, self.labels[chosen]


def random_boxes(sides: torch.Tensor, crop: v2.RandomResizedCrop) -> torch.Tensor:
    """Draw top, left, height and width of a crop, (N, 4), for photos of these sides, (N, 2)."""
    area = sides.prod(1, keepdim=True) * torch.empty(len(sides), 10).uniform_(*crop.scale)
    ratio = torch.empty(area.shape).uniform_(*torch.tensor(crop.ratio).log().tolist()).exp()
    tried = torch.stack([(area / ratio).sqrt(), (area * ratio).sqrt()], 2).round()
    first = (tried <= sides[:, None]).all(2).int().argmax(1)  # of ten tries that fits into the
    box = tried[range(len(sides)), first].minimum(sides).clamp(min=1)  # photo; or one cut off
    return torch.cat([(torch.rand(len(sides), 2) * (sides - box + 1)).floor(), box], 1)


def resampling(start: torch.Tensor, length: torch.Tensor, size: int, places: int) -> torch.Tensor:
    """Matrices, (B, size, places), that resize ``length`` pixels from ``start`` on, smoothly."""
    start, end, scale = (t[:, None, None] for t in (start, start + length, length / size))
    wanted = start + scale * (torch.arange(size, device=start.device)[:, None] + 0.5)
    place = torch.arange(places, device=start.device) + 0.5
    weights = (1 - (place - wanted).abs() / scale.clamp(min=1)).clamp(min=0)
    weights = weights * ((place > start) & (place < end))
    return weights / weights.sum(2, keepdim=True)
