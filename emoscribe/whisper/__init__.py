"""Whisper, taken apart: the model on its device, decoding, word times, and judging what was written.

Each part is plain data in, plain data out; `transcribe.py` joins them.
"""
