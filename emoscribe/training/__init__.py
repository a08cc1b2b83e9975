"""From labelled corpora to the model files in `models/emotion`: prepare, train, export; one verb a file.

Needs the extra `train` (PyTorch); serving never imports it.
"""
