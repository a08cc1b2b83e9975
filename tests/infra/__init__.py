"""What surrounds the program: image, manifests, templates, rules; each checked as those who use it would."""
