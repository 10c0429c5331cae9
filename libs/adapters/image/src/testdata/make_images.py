"""Writes the pictures of this folder and golden.json: sha-256 of what Pillow and transformers' SmolVLM image processor
make of them. Needs numpy, pillow 13, torch, torchvision and transformers 5.19. Run: python make_images.py"""

import hashlib
import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers.models.smolvlm import image_processing_pil_smolvlm as smolvlm

HERE = Path(__file__).parent
SIZES = [(1, 1), (2, 3), (7, 5), (64, 64), (61, 33), (33, 61), (100, 7), (5, 90), (128, 128), (90, 91)]
SHAPES = [(64, 64, True), (64, 256, True), (32, 96, True), (64, 128, False)]
MEANS = {
    "half": ([0.5] * 3, [0.5] * 3),
    "clip": ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
}


def picture(width, height, channels, seed=0):
    """Waves with sharp edges and noise: the filter rings, and sums leave the range of a byte."""
    rng = np.random.default_rng(seed + width * 1000 + height)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / (3 + k)) * 90 + np.cos(y / (2 + k)) * 90 + 128 for k in range(channels)], -1)
    waves[(x // 4 + y // 3) % 5 == 0] = 255
    waves[(x // 5 + y // 7) % 4 == 0] = 0
    return (waves + rng.normal(0, 9, waves.shape)).clip(0, 255).astype(np.uint8)


def rgb(width, height, seed=0):
    return Image.fromarray(picture(width, height, 3, seed))


def digest(data):
    return hashlib.sha256(data).hexdigest()


def resize_cases():
    """The picture is made again by the test from a formula, so that no files are needed."""
    for width, height in SIZES:
        y, x = np.mgrid[0:height, 0:width]
        channels = [((x * 37 + y * 59 + k * 101) ** 2 // 7 + (x ^ y) * 91 * (k + 1)) % 256 for k in range(3)]
        image = Image.fromarray(np.stack(channels, -1).astype(np.uint8))
        for to in [(64, 64), (1, 1), (width, 50), (50, height), (133, 70), (width * 2, height * 3), (17, 19)]:
            out = image.resize(to, Image.Resampling.LANCZOS)
            yield [width, height, *to, digest(out.tobytes())]


def files():
    """Name -> bytes of every kind of file that people send."""
    plain, alpha, grey = rgb(67, 51), Image.fromarray(picture(67, 51, 4)), Image.fromarray(picture(67, 51, 1)[..., 0])
    wide = rgb(200, 80)
    out = {}

    def save(name, image, as_format=None, **options):
        buffer = io.BytesIO()
        suffix = name.split(".")[-1]
        image.save(buffer, format=as_format or ("JPEG" if suffix == "jpg" else suffix.upper()), **options)
        out[name] = buffer.getvalue()

    save("rgb.png", plain)
    save("rgba.png", alpha)
    save("grey.png", grey)
    save("grey-alpha.png", Image.fromarray(picture(67, 51, 2)))
    save("one-bit.png", grey.convert("1"))
    save("palette.png", plain.quantize(20))
    save("palette-alpha.png", alpha.quantize(20))
    save("palette-one-clear.png", plain.quantize(20), transparency=3)
    save("wide-444.jpg", wide, quality=85, subsampling=0)
    save("wide-420.jpg", wide, quality=85, subsampling=2)
    save("progressive.jpg", plain, quality=70, progressive=True)
    save("grey.jpg", grey, quality=80)
    save("several.jpg", plain, quality=85, as_format="MPO", save_all=True, append_images=[grey.convert("RGB")])
    save("cmyk.jpg", plain.convert("CMYK"), quality=90)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned-{orientation}.jpg", plain, quality=85, exif=exif)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.png", plain, exif=exif)
    save("turned.webp", plain, quality=80, exif=exif)
    save("lossy.webp", wide, quality=80)
    save("lossless-alpha.webp", alpha, lossless=True, exact=True)
    save("lossy-alpha.webp", alpha, quality=80)
    save("still.gif", plain.quantize(30))
    noise = np.random.default_rng(7).integers(0, 256, (90, 90), np.uint8)
    save("full-table.gif", Image.fromarray(noise))
    save("interlaced.gif", plain.quantize(30), interlace=True)
    save("clear.gif", plain.quantize(30), transparency=2)
    out["small-frame.gif"] = on_canvas(out["clear.gif"], 90, 80)
    out["large-frame.gif"] = on_canvas(out["interlaced.gif"], 40, 30)
    save("moving.webp", plain, save_all=True, append_images=[grey.convert("RGB")], duration=100)
    save("moving.png", plain, save_all=True, append_images=[grey.convert("RGB")], duration=100)
    save("moving.gif", plain.quantize(30), save_all=True, append_images=[grey.convert("P")], duration=100)
    return out


def on_canvas(gif, width, height):
    """The same frame, moved by 5 and 9 pixels, on a canvas of another size."""
    data = bytearray(gif)
    data[6:10] = struct.pack("<HH", width, height)
    frame = data.index(b"\x2c", 13 + 3 * (2 << (data[10] & 7)))
    data[frame + 1 : frame + 5] = struct.pack("<HH", 5, 9)
    return bytes(data)


def tiles(image, tile, edge, split, norm):
    mean, std = MEANS[norm]
    processor = smolvlm.SmolVLMImageProcessorPil(
        size={"longest_edge": edge}, max_image_size={"longest_edge": tile}, do_image_splitting=split,
        image_mean=mean, image_std=std,
    )
    values = processor(images=[[image]], return_tensors="np")["pixel_values"][0]
    assert values.dtype == np.float32
    return [len(values), digest(np.ascontiguousarray(values).tobytes())]


def sixteen_bits():
    """Pillow makes all that is over 255 white; the high byte is what the file means, and what we take."""
    values = picture(67, 51, 1)[..., 0].astype(np.uint16) * 256 + picture(67, 51, 1, 5)[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG")
    return buffer.getvalue(), Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")


def main():
    golden = {"resizes": list(resize_cases()), "files": []}

    def add(name, data, image):
        (HERE / name).write_bytes(data)
        for norm, shapes in (("half", SHAPES), ("clip", SHAPES[1:2])):
            for tile, edge, split in shapes:
                result = tiles(image, tile, edge, split, norm)
                golden["files"].append([name, *image.size, tile, edge, split, norm, *result])

    for name, data in files().items():
        add(name, data, ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    add("grey-16.png", *sixteen_bits())
    rows = {key: ",\n".join(json.dumps(row, separators=(",", ":")) for row in value) for key, value in golden.items()}
    body = ",\n".join(f'"{key}":[\n{value}\n]' for key, value in rows.items())
    (HERE / "golden.json").write_text("{" + body + "}\n")


main()
