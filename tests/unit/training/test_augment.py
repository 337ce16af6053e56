"""Random augmentation."""

import numpy as np
import torch

from tests.support.drawn_photos import striped
from training.data.augment import augment, mixup, paste_on_background


class TestAugment:
    def test_shape_range_and_repeatability(self) -> None:
        photos = torch.from_numpy(np.asarray(striped((72, 72)))[np.newaxis].repeat(8, axis=0).copy())
        first = augment(photos, 56, torch.Generator().manual_seed(3))
        again = augment(photos, 56, torch.Generator().manual_seed(3))
        assert first.shape == (8, 3, 56, 56)
        assert first.min() >= 0
        assert first.max() <= 1 + 1e-5
        assert torch.equal(first, again)
        assert not torch.equal(first[0], first[1])

    def test_studio_photos_are_laid_on_what_phone_photos_stand_on(self) -> None:
        studio, phone = torch.ones(10, 3, 48, 48), torch.full((10, 3, 48, 48), 0.4)
        studio[:, :, 12:36, 12:36] = 0.1
        laid = paste_on_background(torch.cat([studio, phone]), torch.Generator().manual_seed(3))
        assert torch.equal(laid[10:], phone)
        changed = [place for place in range(10) if not torch.equal(laid[place], studio[place])]
        assert 0 < len(changed) <= 8, "of twenty, eight are drawn, phone photos among them"
        torch.testing.assert_close(laid[changed, :, 20:28, 20:28], torch.full((len(changed), 3, 8, 8), 0.1))
        assert bool((laid[changed, :, :4, :4].mean(dim=(1, 2, 3)) < 0.93).all())

    def test_studio_photos_are_laid_on_coloured_ground_where_there_are_no_phone_photos(self) -> None:
        studio = torch.ones(20, 3, 48, 48)
        studio[:, :, 12:36, 12:36] = 0.1
        laid = paste_on_background(studio, torch.Generator().manual_seed(3))
        corners = laid[:, :, :4, :4].mean(dim=(1, 2, 3))
        assert (corners < 0.93).sum() == 8
        assert torch.equal(paste_on_background(studio[:1], torch.Generator().manual_seed(3)), studio[:1])

    def test_mixed_photos_show_their_neighbours(self) -> None:
        x = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 4, 4)
        both, own = mixup(x, 0.5, torch.Generator().manual_seed(3))
        assert torch.equal(own[4:], torch.ones(4))
        assert bool((own[:4] < 1).all())
        expected = own * torch.arange(8.0) + (1 - own) * torch.arange(8.0).roll(1)
        torch.testing.assert_close(both[:, 0, 0, 0], expected)
        assert torch.equal(mixup(x, 0.0, torch.Generator().manual_seed(3))[0], x)
