"""How good a model is, where, and how far its confidence can be trusted: measured on labelled texts.

The data flow: corpora -> examples -> (translated) -> judged by a model -> measures -> report, pictures, card.
Nothing here is needed to serve; some of it needs the extra `evaluate` (scikit-learn).
"""
