"""Looking at detectors: what of a picture speaks for fake, and how detectors see a suite."""
