"""The public API: what a request means, who may make it, and how its answer is spelled."""
