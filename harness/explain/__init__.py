"""Looking at detectors: what of an image speaks for fake, and how detectors see a suite."""
