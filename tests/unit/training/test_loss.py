"""The loss functions."""

import math

import pytest
import torch

from training.fit.loss import distillation_loss, set_valued_loss


class TestLoss:
    def test_one_class_is_cross_entropy(self) -> None:
        logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
        target = torch.tensor([0, 1, 2, 3, 0])
        accepts = torch.nn.functional.one_hot(target, 4).bool()
        expected = torch.nn.functional.cross_entropy(logits, target, label_smoothing=0.1)
        # torch smooths towards all classes as well
        assert set_valued_loss(logits, accepts, 0.1).mean().item() == pytest.approx(expected.item(), rel=1e-5)

    def test_a_coarse_label_asks_only_for_the_sum(self) -> None:
        accepts = torch.tensor([[True, True, False]])
        divided = set_valued_loss(torch.tensor([[2.0, 2.0, -9.0]]), accepts, 0)
        decided = set_valued_loss(torch.tensor([[2.0 + math.log(2), -9.0, -9.0]]), accepts, 0)
        assert divided.item() == pytest.approx(decided.item(), abs=1e-4)

    def test_a_teachers_answers_are_learned(self) -> None:
        teacher = torch.tensor([[3.0, 1.0, 0.0]])
        same = distillation_loss(teacher, teacher, 2)
        assert same < distillation_loss(teacher + torch.tensor([[0.0, 1.0, 0.0]]), teacher, 2)
        entropy = torch.distributions.Categorical(logits=teacher / 2).entropy().item()
        assert same.item() == pytest.approx(4 * entropy, rel=1e-5)
