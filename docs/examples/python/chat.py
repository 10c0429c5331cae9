"""Asks a running tercet about pictures over gRPC and prints the answer while it streams.

    python chat.py "What is this?" photo.jpg
"""
import os
import sys
from pathlib import Path

import grpc

# Messages and stubs come straight from the .proto files; nothing has to be generated.
sys.path.append(str(Path(__file__).resolve().parents[3] / "libs" / "contracts" / "proto"))
protos, services = grpc.protos_and_services("tercet/v1/gateway.proto")


def ask(gateway, question, pictures):
    model = gateway.ListModels(protos.ListModelsRequest()).models[0].name
    parts = [protos.ContentPart(image=Path(picture).read_bytes()) for picture in pictures]
    parts.append(protos.ContentPart(text=question))
    messages = [protos.ChatMessage(role="user", parts=parts)]
    for event in gateway.Chat(protos.ChatRequest(model=model, messages=messages)):
        print(event.delta.text, end="", flush=True)
        if event.HasField("finished"):
            end = event.finished
            print()
            print(
                f"first token after {end.ttft.ttft_ms:.1f} ms; {end.usage.completion_tokens} tokens",
                file=sys.stderr,
            )


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: python chat.py QUESTION [PICTURE…]")
    address = os.environ.get("TERCET_GRPC", "127.0.0.1:8081")
    with grpc.insecure_channel(address) as channel:
        try:
            ask(services.GatewayStub(channel), sys.argv[1], sys.argv[2:])
        except grpc.RpcError as error:
            code = dict(error.trailing_metadata() or ()).get("tercet-code", error.code().name)
            sys.exit(f"{error.details()} [{code}]")


if __name__ == "__main__":
    main()
