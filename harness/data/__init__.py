"""Images on disk: samples, manifests, suites, decoding, preprocessing, loading."""
