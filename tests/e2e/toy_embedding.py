"""The embedding of `rerankd demo` once more, so that a stand-in's vectors find something in the demo's database: words hashed
into a few dimensions."""

import re

import numpy

DIMENSIONS = 16


def embed(text: str) -> numpy.ndarray:
    """Of length 1, in float32; zeros where there are no words."""
    vector = numpy.zeros(DIMENSIONS, numpy.float32)
    for word in re.findall(r"[^\W_]{3,}", text):
        vector[(fnv1a(word.lower()[:5].encode()) >> 32) % DIMENSIONS] += 1
    length = numpy.sqrt((vector * vector).sum(dtype=numpy.float32))
    return vector / length if length > 0 else vector


def fnv1a(data: bytes) -> int:
    value = 0xCBF2_9CE4_8422_2325
    for byte in data:
        value = (value ^ byte) * 0x0000_0100_0000_01B3 & 0xFFFF_FFFF_FFFF_FFFF
    return value
