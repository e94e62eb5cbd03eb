"""Makes the embedded suite's files anew (see README.md here); the product never imports it."""
