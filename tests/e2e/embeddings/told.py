"""What these programs print: a line for each search, with the texts that were found, best first."""

import json
import os
import sys

QUESTIONS = sys.argv[1:]
QDRANT_URL, QDRANT_GRPC_PORT = os.environ["QDRANT_URL"], int(os.environ["QDRANT_GRPC_PORT"])
OPENSEARCH_URL = os.environ["OPENSEARCH_URL"]
LIMIT = 5


def tell(search: str, question: str, texts: list[str]) -> None:
    print(json.dumps({"search": search, "question": question, "texts": texts}))


def tell_answer(answer: str) -> None:
    print(json.dumps({"answer": answer}))
