"""Bytes of protocol buffers, written by hand."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """A number as protocol buffers have it."""
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def part(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content
