"""What is deployed, and how: images, manifests, scaling, alerts."""
