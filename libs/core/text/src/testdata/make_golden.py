"""Writes the ids that the reference of a model makes of corpus.json; the tokenizers' tests read them.

    python make_golden.py LIBRARY_FOLDER NAME=MODEL [NAME=MODEL …]

LIBRARY_FOLDER holds libllama of the pinned package, the reference for a GGUF; for a folder it is `transformers`.
Of each line the digest of its ids is kept, of the first lines the ids themselves. A GGUF needs Python alone.
`</s>` is left out: llama.cpp makes it the end of a text in every model, also where a model's own tokenizer has it as a
tag of HTML.
"""
from __future__ import annotations

import ctypes
import hashlib
import json
import sys
import unicodedata
from pathlib import Path

HERE = Path(__file__).parent
FULL_LINES = 40


class Params(ctypes.Structure):
    """llama_model_params of the pinned version: 72 bytes, then the flags, `vocab_only` first."""
    _fields_ = [("head", ctypes.c_char * 72), ("vocab_only", ctypes.c_bool), ("flags", ctypes.c_bool * 7)]


def tokenize_all(library: ctypes.CDLL, path: str, lines: list[str]) -> list[list[int]]:
    library.llama_model_default_params.restype = Params
    library.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
    library.llama_model_load_from_file.restype = ctypes.c_void_p
    library.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
    library.llama_model_get_vocab.restype = ctypes.c_void_p
    library.llama_tokenize.argtypes = [
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32), ctypes.c_int32,
        ctypes.c_bool, ctypes.c_bool,
    ]
    params = library.llama_model_default_params()
    params.vocab_only = True
    vocab = library.llama_model_get_vocab(library.llama_model_load_from_file(path.encode(), params))
    out = (ctypes.c_int32 * 8192)()
    result = []
    for line in lines:
        data = line.encode()
        count = library.llama_tokenize(vocab, data, len(data), out, len(out), False, False)
        assert count >= 0, line
        result.append(list(out[:count]))
    return result


def transformers_ids(folder: str, lines: list[str]) -> list[list[int] | None]:
    """None for a line with characters that are younger than the tables of Unicode in there (of 2015)."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inner = tokenizer.backend_tokenizer

    def young(character: str) -> bool:
        words = [w for w, _ in inner.pre_tokenizer.pre_tokenize_str(inner.normalizer.normalize_str(f"a{character}b"))]
        category = unicodedata.category(character)
        vanishes = (category == "Mn" or category[0] == "C") and character not in "\t\n\r"
        return (vanishes and words != ["ab"]) or (category[0] == "P" and len(words) == 1)

    def ids(line: str) -> list[int] | None:
        if any(young(c) for c in line):
            return None
        return tokenizer(line, add_special_tokens=False, split_special_tokens=True).input_ids

    return [ids(line) for line in lines]


def digest(ids: list[int]) -> str:
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:12]


def main() -> None:
    folder, *models = sys.argv[1:]
    lines = json.loads((HERE / "corpus.json").read_text())
    library = ctypes.CDLL(str(next(Path(folder).glob("libllama.*"))))
    for model in models:
        name, path = model.split("=", 1)
        ids = transformers_ids(path, lines) if Path(path).is_dir() else tokenize_all(library, path, lines)
        golden = {"first": ids[:FULL_LINES], "digests": [None if row is None else digest(row) for row in ids]}
        (HERE / f"{name}.ids.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
