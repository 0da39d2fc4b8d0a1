"""The documents that every database of these tests holds, and their query texts.

The first stage ranks them by how often they say `harbour`; the query texts ask for other words, so that a reranker has
something to do. Many of them tie under the scorer of `cohere_standin.py`, on purpose: ties must keep the database's order.
"""

import json
import sys

ASPECTS = ["ferry", "lantern", "orchard", "glacier", "saffron", "violin"]
TOPICS = ["coast", "garden", "mountain", "kitchen", "concert"]
FIRST_STAGE = "harbour"
QUERIES = ["ferry lantern orchard glacier", "saffron and a violin: café, naïve 日本語?", "glacier orchard"]
COUNT = 70


def document(number: int) -> dict:
    """One document; `number` starts at 1."""
    bits = (number * 37 + 11) % 64
    aspects = [word for place, word in enumerate(ASPECTS) if bits >> place & 1]
    filler = ["quiet", "morning", "of", "stones"] * (number % 4)
    words = [FIRST_STAGE] * (1 + number * 7 % 5) + filler + aspects
    return {
        "title": f"Note {number} – {TOPICS[number % 5]} café",
        "body": " ".join(words) + ("\nand a second line: “quoted”" if number % 3 == 0 else "."),
        "topic": TOPICS[number % 5],
        "year": 1990 + number % 7,
        "big": 9007199254740993 + number,
        "price": number / 4,  # sums of quarters are exact in any order
        "weight": round(number * 1.1, 3),
    }


def documents() -> dict[str, dict]:
    return {str(number): document(number) for number in range(1, COUNT + 1)}


def vector(number: int) -> list[float]:
    """A made-up embedding: document 1 is nearest to `query_vector`, then 2, and so on."""
    return [1.0, number / 100.0, 0.25, -0.125]


def query_vector() -> list[float]:
    return [1.0, 0.0, 0.25, -0.125]


if __name__ == "__main__":
    json.dump(
        {
            "first_stage": FIRST_STAGE,
            "queries": QUERIES,
            "documents": documents(),
            "vectors": {str(n): vector(n) for n in range(1, COUNT + 1)},
            "query_vector": query_vector(),
        },
        sys.stdout,
        ensure_ascii=False,
    )
