"""The transformers that are trained: a tiny family pre-trained here, and MiniLM."""
