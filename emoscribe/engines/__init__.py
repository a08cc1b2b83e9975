"""Translation engines: each puts short sentences of one language into English with one model.

An engine knows its model and nothing of requests, languages packs or error values: that is `translate.py`.
"""
