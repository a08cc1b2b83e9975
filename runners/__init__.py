"""The model stages as BentoML services: one model each, one process each, and how the others reach them."""
