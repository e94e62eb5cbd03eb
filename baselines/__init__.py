"""The methods LFM is compared with: one public file is one detector (or one family of it)."""
