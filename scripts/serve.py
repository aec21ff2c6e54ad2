"""Serve a model over HTTP with Ray Serve; requests that come together are read as one batch.

pip install 'ray[serve]'
python scripts/serve.py sentiment
curl localhost:8000 --json '{"inputs": "It never drags."}'
"""

import argparse
import asyncio
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

from hf_lstm_attn import load_classifier


@serve.deployment(max_ongoing_requests=512)
class Classifier:
    def __init__(self, model: str) -> None:
        self.classifier = load_classifier(model)

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.01)
    async def label(self, texts: list[str]) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self.classifier, texts)

    async def __call__(self, request: Request) -> Any:
        text = (await request.json()).get("inputs")
        return await self.label(text) if isinstance(text, str) else JSONResponse({"error": "inputs: a text"}, 400)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder of a run, Hub id, or built-in model")
    serve.run(Classifier.bind(parser.parse_args().model), blocking=True)  # type: ignore[attr-defined]
