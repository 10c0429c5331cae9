"""Calls tercet (TERCET_URL) with OpenAI's own client about a picture (TERCET_PICTURE, a data URL); prints JSON."""
import json
import os

from openai import BadRequestError, OpenAI

client = OpenAI(base_url=os.environ["TERCET_URL"] + "/v1", api_key="none", max_retries=0)
model = client.models.list().data[0].id
content = [
    {"type": "image_url", "image_url": {"url": os.environ["TERCET_PICTURE"]}},
    {"type": "text", "text": "What colour is the square?"},
]
ask = {"model": model, "temperature": 0, "max_tokens": 24, "messages": [{"role": "user", "content": content}]}

whole = client.chat.completions.create(**ask, logprobs=True, top_logprobs=2)
chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
completed = client.completions.create(model=model, prompt="User: Hello", max_tokens=4, temperature=0, n=2)
response = client.responses.create(model=model, input="Who are you?", max_output_tokens=24, temperature=0)
try:
    client.chat.completions.create(**{**ask, "max_tokens": -1})
    code = None
except BadRequestError as error:
    code = error.code

print(json.dumps({
    "text": whole.choices[0].message.content,
    "logprobs": [len(token.top_logprobs) for token in whole.choices[0].logprobs.content],
    "tokens": whole.usage.completion_tokens,
    "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
    "streamedTokens": chunks[-1].usage.completion_tokens,
    "completions": [choice.text for choice in completed.choices],
    "response": response.output_text,
    "code": code,
}))
