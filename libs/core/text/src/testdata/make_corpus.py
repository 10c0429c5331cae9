"""Writes corpus.json and scripts.json, the texts that every tokenizer's golden is about: `python make_corpus.py`.

Needs the package `regex`, whose tables of Unicode are younger than Python's own.
"""
from __future__ import annotations

import itertools
import json
import random
import unicodedata
from pathlib import Path

import regex
from regex import _regex_core

HERE = Path(__file__).parent

HAND = [
    "Hello world", "  two  spaces ", "a\tb\n\n\nc", "\r\n\r\n", "", " ", "\u00a0nbsp\u3000wide",
    "don't I'LL we've THEY'D it's", "1234567890 3.14 1,000 ½ ² Ⅷ ١٢٣",
    "x=y+z;\n    if (a<b) { return 'it\\'s'; }\n", "</b><a></a><html><unk><pad>",
    "<|im_start|>user <start_of_turn> <image> <eos>", "naïve café e\u0301 A\u030a ﬁ ﬀ", "日本語のテキスト。カタカナ",
    "中文字符測試", "한국어 문장", "ภาษาไทยไม่มีช่องว่าง", "עברית", "العربية نص", "हिन्दी में", "தமிழ்", "Ελληνικά",
    "Кириллица", "ქართული", "አማርኛ", "🙂👩‍👩‍👧‍👦🇩🇪🏳️‍🌈👍🏽", "a🙂b 🙂 🙂🙂",
    "tab\tand  space\n \n", "....!!!???", "---",
    "__init__", "https://example.org/a?b=c&d=e#f", "\x00\x01\x7f", "\ufeffbom", "\u200bzero\u200cwidth\u200d",
    "ÅÄÖ åäö ß ẞ İ ı", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𓀀", "a" * 300, "ab " * 50, "\n" * 40,
]

# Codes of Unicode 18, which Node does not know yet, and second names.
LEFT_OUT = {"JURC", "PCUN", "SEAL", "QAAC", "QAAI"}
# Unicode Technical Standard 51: what a person sees as one picture, by the kind of its sequence.
EMOJI_BLOCKS = [(0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1F9FF), (0x1FA70, 0x1FAFF),
                (0x2600, 0x27BF)]
TONES = [chr(c) for c in range(0x1F3FB, 0x1F400)]
VS15, VS16, KEYCAP = "\ufe0e", "\ufe0f", "\u20e3"
REGIONS = "AD AQ AX BR CN DE EU FR GB IN JP KE KR MX NZ PS SE TW UA UN US XK ZA ZW".split()
SUBDIVISIONS = ["gbeng", "gbsct", "gbwls"]
JOINED = [
    "👨‍👩‍👧‍👦", "👩‍👩‍👦", "👨‍👦", "👩‍❤️‍👨", "👨‍❤️‍💋‍👨", "🧑‍🤝‍🧑",
    "🧑🏻‍❤️‍🧑🏿", "👩🏽‍🤝‍👨🏼", "🧑‍🧑‍🧒", "👩‍🚀", "🧑🏾‍⚕️", "👨🏼‍🦰", "👩‍🦳",
    "🏃🏽‍♀️‍➡️", "🤷🏿‍♂️", "🧜‍♀️", "🏴‍☠️", "🏳️‍🌈", "🏳️‍⚧️", "❤️‍🔥",
    "❤️‍🩹", "🐻‍❄️", "🐈‍⬛", "🐦‍🔥", "🍋‍🟩", "⛓️‍💥", "😮‍💨", "👁️‍🗨️",
]


def mixed() -> list[str]:
    """Hand-picked lines, one line a block of Unicode, and mixtures, by a fixed seed."""
    rng = random.Random(7)
    lines = list(HAND)
    printable = [c for c in range(0x20, 0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")]
    for start in range(0, 0x20000, 0x100):
        block = [c for c in printable if start <= c < start + 0x100]
        if block:
            lines.append("".join(chr(rng.choice(block)) + (" " if rng.random() < 0.2 else "") for _ in range(24)))
    plain = "abcdefghij ABC .,!?'\"\n\t 0123456789"
    for _ in range(300):
        picked = range(rng.randint(1, 60))
        lines.append("".join(chr(rng.choice(printable)) if rng.random() < 0.15 else rng.choice(plain) for _ in picked))
    return lines


def scripts() -> dict[str, str]:
    """A line for each script: letters as a word, letters between spaces, marks on letters, digits and signs."""
    rng = random.Random(11)
    characters = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    everything = "".join(regex.findall(r"[^\p{Cn}\p{Co}\p{Script=Common}\p{Script=Inherited}]", characters))
    lines = {}
    # The package lists its properties here alone; ISO 15924 codes are what JavaScript knows as well.
    codes = [name.title() for name in _regex_core.PROPERTIES["SCRIPT"][1] if len(name) == 4 and name not in LEFT_OUT]
    for name in sorted(codes):
        of = regex.findall(rf"\p{{Script={name}}}", everything)
        # References are seldom up to date: younger characters of an old script are left out.
        of = [c for c in of if unicodedata.category(c) != "Cn"] or of
        if not of:
            continue
        kind = {key: [c for c in of if regex.match(rf"\p{{{key}}}", c)] for key in "LMNSP"}
        base = kind["L"] or kind["S"] or of
        word = "".join(rng.choices(base, k=6))
        pair = " ".join(rng.sample(base, 2))
        marks = "".join(rng.choice(base) + mark for mark in rng.sample(kind["M"], min(2, len(kind["M"]))))
        rest = [rng.choice(kind[key]) for key in "NSP" if kind[key]]
        lines[name] = " ".join(part for part in [word, pair, marks, "".join(rest)] if part)
    return lines


def emoji() -> list[str]:
    """Every picture of the blocks of emoji, and each kind of sequence: alone in a row, and between words."""
    blocks = [chr(c) for first, last in EMOJI_BLOCKS for c in range(first, last + 1)]
    pictures = [c for c in blocks if regex.match(r"\p{Emoji}", c)]
    bases = [c for c in map(chr, range(0x110000)) if regex.match(r"\p{Emoji_Modifier_Base}", c)]
    flags = ["".join(chr(0x1F1E6 + ord(c) - ord("A")) for c in region) for region in REGIONS]
    tagged = ["🏴" + "".join(chr(0xE0000 + ord(c)) for c in name) + "\U000e007f" for name in SUBDIVISIONS]
    keycaps = [c + variant + KEYCAP for c in "0123456789#*" for variant in (VS16, "")]
    toned = [base + tone for base, tone in zip(bases, itertools.cycle(TONES))] + ["✋" + tone for tone in TONES]
    shown = [c + variant for c in "☺❤✈☎▶©®™↔〰" for variant in (VS15, VS16, "")]
    lines = ["".join(pictures[at:at + 32]) for at in range(0, len(pictures), 32)]
    for kind in (flags, tagged, keycaps, toned, shown, JOINED):
        for at in range(0, len(kind), 16):
            lines += ["".join(kind[at:at + 16]), "a".join(kind[at:at + 16]), " ".join(kind[at:at + 16])]
    return lines


def main() -> None:
    by_script = scripts()
    (HERE / "scripts.json").write_text(json.dumps(by_script, indent=0) + "\n")
    (HERE / "corpus.json").write_text(json.dumps(mixed() + list(by_script.values()) + emoji(), indent=0) + "\n")


if __name__ == "__main__":
    main()
