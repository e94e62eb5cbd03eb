"""Ray: several machines, or several workers of one, and work that is dealt to them."""
