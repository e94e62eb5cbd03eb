"""What files and pixels give away before any detector runs."""
