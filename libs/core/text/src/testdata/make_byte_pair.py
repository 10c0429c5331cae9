"""Writes byte-pair.json: a small vocabulary, and what the `tokenizers` library makes of corpus.json with it by the
patterns of three families: `python make_byte_pair.py`.

The merges are learned from the corpus as one piece, across words: wherever a pattern cuts decides what can merge.
"""
from __future__ import annotations

import json
from pathlib import Path

from make_golden import digest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

HERE = Path(__file__).parent
VOCABULARY = 2500

# As their tokenizer.json has them, without the normaliser of Qwen 2.
LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PATTERNS = {"llama-bpe": LLAMA_3.replace("DIGITS", r"\p{N}{1,3}"), "qwen2": LLAMA_3.replace("DIGITS", r"\p{N}")}


def cutter(name: str) -> pre_tokenizers.PreTokenizer:
    if name == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERNS[name]), "isolated"), bytes_only])


def learned(lines: list[str]) -> dict:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=alphabet, max_token_length=12, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    return json.loads(tokenizer.to_str())["model"]


def main() -> None:
    lines = json.loads((HERE / "corpus.json").read_text())
    model = learned(lines)
    merges = [tuple(merge) for merge in model["merges"]]
    unassigned = pre_tokenizers.Split(Regex(r"\P{Cn}+"), "removed")
    digests = {}
    for name in ["gpt-2", *PATTERNS]:
        tokenizer = Tokenizer(models.BPE(model["vocab"], merges))
        tokenizer.pre_tokenizer = cutter(name)
        # None for characters that are younger than the library's tables of Unicode.
        digests[name] = [
            None if unassigned.pre_tokenize_str(line) else digest(tokenizer.encode(line).ids) for line in lines
        ]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    golden = {"tokens": tokens, "merges": [" ".join(merge) for merge in merges], "digests": digests}
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (HERE / "byte-pair.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
