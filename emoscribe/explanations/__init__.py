"""Explanations as users get them: the weights of English words, led back to the words that were spoken.

The weights come from the classifier (`stages.Classifier.explain`); docs/explanations.md says how far to trust the rest.
"""

from emoscribe.explanations.records import Explained, explain_segments, explain_texts, with_explanation

__all__ = ["Explained", "explain_segments", "explain_texts", "with_explanation"]
