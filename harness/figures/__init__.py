"""Tables as pictures: vector files whose bytes do not change, and plots inside a page."""
