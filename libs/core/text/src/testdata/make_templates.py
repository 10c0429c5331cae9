"""Writes templates.json: conversations as transformers' apply_chat_template prints them by the template of a model.

    python make_templates.py TINY_GGUF

chat-template.golden.test.ts reads it. The templates of SmolLM2-Instruct, SmolVLM-Instruct and Gemma 3 stand here in the
form that their repositories have; tercet-tiny's is read from its file.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

from gguf import GGUFReader
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent

SMOL_LM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\n"
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SMOL_VLM = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
GEMMA3 = (
    "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n    {%- if messages[0]['content'] is string -%}\n"
    "        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}\n    {%- else -%}\n"
    "        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}\n    {%- endif -%}\n"
    "    {%- set loop_messages = messages[1:] -%}\n{%- else -%}\n    {%- set first_user_prefix = \"\" -%}\n"
    "    {%- set loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n"
    "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}\n"
    "        {{ raise_exception(\"Conversation roles must alternate user/assistant/user/assistant/...\") }}\n"
    "    {%- endif -%}\n    {%- if (message['role'] == 'assistant') -%}\n        {%- set role = \"model\" -%}\n"
    "    {%- else -%}\n        {%- set role = message['role'] -%}\n    {%- endif -%}\n"
    "    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else \"\") }}\n"
    "    {%- if message['content'] is string -%}\n        {{ message['content'] | trim }}\n"
    "    {%- elif message['content'] is iterable -%}\n        {%- for item in message['content'] -%}\n"
    "            {%- if item['type'] == 'image' -%}\n                {{ '<start_of_image>' }}\n"
    "            {%- elif item['type'] == 'text' -%}\n                {{ item['text'] | trim }}\n"
    "            {%- endif -%}\n        {%- endfor -%}\n    {%- else -%}\n"
    "        {{ raise_exception(\"Invalid content type\") }}\n    {%- endif -%}\n    {{ '<end_of_turn>\n' }}\n"
    "{%- endfor -%}\n{%- if add_generation_prompt -%}\n    {{'<start_of_turn>model\n'}}\n{%- endif -%}\n"
)
TEXT_ONLY = {"smollm2"}


def text(value: str) -> dict:
    return {"type": "text", "text": value}


IMAGE = {"type": "image"}


def conversations() -> list[list[dict]]:
    """Turns with and without a system's, with pictures, and with every hand-picked line of the corpus."""
    user = lambda *parts: {"role": "user", "content": list(parts)}
    assistant = lambda value: {"role": "assistant", "content": [text(value)]}
    system = {"role": "system", "content": [text("Answer in one word.")]}
    corpus = json.loads((HERE / "corpus.json").read_text())
    lines = [line for line in corpus[:40] if line.strip() != ""]
    return [
        [user(text("Hello"))],
        [system, user(text("  What is this? \n"))],
        [user(text("Hello")), assistant("Hi there."), user(text("Again"))],
        [system, user(text("a")), assistant("b"), user(text("c")), assistant("d"), user(text("e"))],
        [user(IMAGE, text("What colour is it?"))],
        [user(text("Compare"), IMAGE, text("with"), IMAGE)],
        [system, user(IMAGE, text("One?")), assistant("Yes."), user(IMAGE, IMAGE, text("And these?"))],
        *([user(text(line)), assistant(line), user(text(line))] for line in lines),
    ]


def flattened(messages: list[dict]) -> list[dict]:
    return [{**m, "content": "".join(part.get("text", "") for part in m["content"])} for m in messages]


def main() -> None:
    reader = GGUFReader(sys.argv[1])
    tiny = reader.fields["tokenizer.chat_template"].contents()
    templates = {"tercet-tiny": tiny, "smollm2": SMOL_LM2, "smolvlm": SMOL_VLM, "gemma3": GEMMA3}
    blank = Tokenizer(WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=blank, bos_token="<bos>", eos_token="<eos>")
    golden = []
    for name, template in templates.items():
        rendered = []
        for messages in conversations():
            if name in TEXT_ONLY and any(part == IMAGE for m in messages for part in m["content"]):
                continue
            given = flattened(messages) if name in TEXT_ONLY else messages
            for prompt in (True, False):
                printed = tokenizer.apply_chat_template(
                    given, chat_template=template, tokenize=False, add_generation_prompt=prompt
                )
                rendered.append({"messages": messages, "addGenerationPrompt": prompt, "text": printed})
        golden.append({"name": name, "template": template, "rendered": rendered})
    (HERE / "templates.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
