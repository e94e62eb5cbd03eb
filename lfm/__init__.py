"""LFM, the paper's method: salience network, top-K pooling with its regularisers, detector."""
