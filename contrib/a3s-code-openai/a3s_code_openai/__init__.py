"""Models and embeddings of OpenAI and of every compatible endpoint."""
