"""What takes minutes and a whole stack: vLLM, transformers and TRL for real."""
