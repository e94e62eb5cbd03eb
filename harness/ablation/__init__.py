"""Ablation: one detector's options varied, each row trained from several seeds and compared."""
