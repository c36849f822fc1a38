import numpy as np
import torch
from notebook_code import definitions
from torch import nn

lesson = definitions("15")


def test_lora_begins_as_its_base_trains_two_matrices_merges_and_reaches_the_bound() -> None:
    torch.manual_seed(0)
    base, x = nn.Linear(6, 4), torch.randn(5, 6)
    for rank in (0, 1, 3):
        layer = lesson.LoRA(base, rank)
        assert torch.equal(layer(x), base(x))
        assert sum(p.numel() for p in layer.parameters() if p.requires_grad) == rank * (6 + 4)
    nn.init.normal_(layer.up)
    torch.testing.assert_close(layer.merged()(x), layer(x))
    assert torch.linalg.matrix_rank(layer.merged().weight - base.weight) == 3
    trained, least = lesson.missed(torch.diag(2.0 ** -torch.arange(32)), 2)
    assert least - 1e-6 < trained < least + 0.02


def test_padding_does_not_count_negation_turns_the_label_round_and_words_are_even() -> None:
    real = torch.tensor([[True, True, False], [True, True, True]])
    assert lesson.pooled(torch.arange(12.0).view(2, 3, 2), real).tolist() == [[1, 2], [8, 9]]
    texts, likes, negated, pair = lesson.opinions(("Is {1} {0}",), ("Not {1} {0}",), ("tea",))
    good = np.array([any(word in text.split() for word in lesson.GOOD) for text in texts])
    assert " a " not in " ".join(lesson.NEW_PLAIN + lesson.NEW_NEGATED)  # excellent, awful: an
    assert np.array_equal(likes == 1, good != negated)
    assert negated.sum() == (pair < 8).sum() == len({*texts}) / 2 == 2 * len(lesson.BAD)
