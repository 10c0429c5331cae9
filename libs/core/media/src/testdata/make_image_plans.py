"""Writes image-plans.json: what transformers' SmolVLM image processor and Idefics3 processor do with images of many
sizes. Needs torch, torchvision, transformers 5.19 and pillow. Run: python make_image_plans.py > image-plans.json"""

import json
import random

import numpy as np
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.smolvlm import image_processing_pil_smolvlm as smolvlm

SHAPES = [(64, 64), (64, 128), (64, 256), (32, 96), (512, 2048), (384, 1536), (512, 512), (364, 1456), (512, 5000)]
SIZES = [(1, 1), (64, 64), (65, 64), (64, 65), (640, 480), (480, 640), (1920, 1080), (1, 1000), (1000, 1), (3, 200)]


class Recorder(smolvlm.SmolVLMImageProcessorPil):
    """Passes sizes through the processor's own arithmetic; pixels are broadcast zeros and cost nothing."""

    def resize(self, image, size, resample=None, **kwargs):
        if size.longest_edge:
            height, width = smolvlm.get_resize_output_image_size(image, resolution_max_side=size.longest_edge)
        else:
            height, width = size.height, size.width
        self.seen.append((width, height))
        return np.broadcast_to(np.zeros((), np.uint8), (3, height, width))


class Marks:
    """The part of the processor that writes the prompt reads these fields only."""

    fake_image_token = "<fake_token_around_image>"
    image_token = "<image>"
    global_image_tag = "<global-img>"


def plan(width, height, tile, edge, split):
    recorder = Recorder()
    recorder.seen = []
    image = np.broadcast_to(np.zeros((), np.uint8), (3, height, width))
    size = type("Size", (), {"longest_edge": edge, "height": None, "width": None})()
    bounded = recorder.resize(image, size)
    if not split:
        return [width, height, tile, edge, 0, *recorder.seen[0], tile, tile, 0, 0]
    whole = recorder.resize_for_vision_encoder(bounded, tile)
    _, rows, columns = recorder.split_images(whole, {"longest_edge": tile})
    return [width, height, tile, edge, 1, *recorder.seen[0], *recorder.seen[1], rows, columns]


def prompt(rows, columns, tokens):
    marks = Marks()
    marks.image_seq_len = tokens
    return Idefics3Processor.replace_image_token(marks, {"rows": [[rows]], "cols": [[columns]]}, 0)


def main():
    rng = random.Random(1)
    sizes = SIZES + [(rng.randint(1, 6000), rng.randint(1, 6000)) for _ in range(40)]
    sizes += [(rng.randint(1, 80), rng.randint(1, 80)) for _ in range(25)]
    plans = [plan(w, h, t, e, s) for w, h in sizes for t, e in SHAPES for s in (True, False)]
    prompts = [[r, c, 2, prompt(r, c, 2)] for r, c in [(0, 0), (1, 2), (2, 1), (3, 4), (8, 8)]]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in plans)
    print('{"columns":["width","height","tileSize","longestEdge","split","boundedWidth","boundedHeight",', end="")
    print(f'"resizedWidth","resizedHeight","rows","columns"],\n"plans":[\n{lines}\n],')
    print('"prompts":' + json.dumps(prompts) + "}")


main()
